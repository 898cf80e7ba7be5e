// SPDX-License-Identifier: MIT
#include "backends/cpu/attention_partition.h"

#include "backends/cpu/cache_layout.h"
#include "backends/cpu/epilogues.h"

#include <limits>

using namespace mlir;

namespace kvasir::cpu {
namespace {

constexpr int64_t kLanes = 16; // of the softmax: the order of its sums
constexpr int64_t kScoreBytes = kPartition * 4;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Partition {
  Code &code;
  const Isa &isa;
  const PartitionShape &shape;
  Value queries, numQueries, keys, values, limit, scores, states, next;
  Value numKeys; ///< what the last token sees, at most 128

  Type floats() const { return code.vec(isa.lanes, code.f32); }
  Type words() const { return code.vec(isa.lanes, code.i32); }
  int64_t stateBytes() const { return attentionStateBytes(shape.width); }
  bool isPaired() const { return multipliesPairs(isa, shape.isHalf); }
  int64_t elementBytes() const { return isPaired() ? 2 : 4; } ///< of queries and powers

  /// Registers beside each query's sum, of `count` that a row has. One token's few queries take as many as leave
  /// registers for the rest; queries of many tokens two, for their scores shall come in order of keys.
  int64_t vectorsOf(int64_t count) const {
    int64_t mostSums = isa.lanes == 16 ? 16 : shape.isHalf ? 8 : 12; // LLVM converts f16 ahead, and spills at 12
    int64_t most = shape.isAlone ? std::max<int64_t>(2, mostSums / shape.queryTile) : 2;
    while (count % most)
      --most;
    return most;
  }

  /// One step of sums: pairs of elements of some queries times registers of pairs.
  struct Step {
    MutableArrayRef<Value> sums; ///< [queryTile][registers]
    Value rows;                  ///< the first query's pair of f32, or of bf16
    int64_t rowBytes;            ///< from one query to the next
    Value line;                  ///< the registers' pairs
    int64_t secondBytes;         ///< of f16: from the pairs' first elements to their second ones

    int64_t numVectors(int64_t queryTile) const { return int64_t(sums.size()) / queryTile; }
  };

  /// A register of factors: one half of the pairs in register `v` from `line` on, as f32.
  using MakeFactor = llvm::function_ref<Value(Value line, int64_t v)>;

  Value pairsAt(Value line, int64_t v) const { return code.load(words(), code.at(line, v * isa.lanes * 4)); }

  /// Whether sums, what stays beside them and one factor fill AVX2's sixteen registers.
  bool isFull(const Step &step) const {
    int64_t kept = std::min(step.numVectors(shape.queryTile), shape.queryTile);
    return isa.lanes == 8 && int64_t(step.sums.size()) + kept + 1 >= 16;
  }

  Value halfAt(Value line, int64_t v) const {
    return code.extF(code.load(code.vec(isa.lanes, code.f16), code.at(line, v * isa.lanes * 2), 2), code.f32);
  }

  /// Masking takes a register for the mask, or for zeros: where none is left it is two shifts.
  Value highAt(const Step &step, Value line, int64_t v) const {
    Value pairs = pairsAt(line, v);
    return isFull(step) ? lowBf16(code, code.pinned(code.shr(pairs, 16))) : highBf16(code, pairs);
  }

  /// Of bf16 the odd element is added first.
  void emitStep(const Step &step) const {
    // Loaded again: sums and both halves don't fit sixteen registers.
    auto again = [&] { return isa.lanes == 8 ? code.pinned(step.line) : step.line; };
    auto halves = [&](Value line, int64_t v) { return halfAt(line, v); };
    auto high = [&](Value line, int64_t v) { return highAt(step, line, v); };
    auto low = [&](Value line, int64_t v) { return lowBf16(code, pairsAt(line, v)); };
    if (shape.isHalf) {
      emitHalfStep(step, step.rows, step.line, halves);
      return emitHalfStep(step, code.at(step.rows, 4), code.at(again(), step.secondBytes), halves);
    }
    if (isPaired())
      return emitStepOfPairs(step);
    emitHalfStep(step, code.at(step.rows, 4), step.line, high);
    emitHalfStep(step, step.rows, again(), low);
  }

  /// sums[q][v] += element q times factor v; whichever are fewer stay in registers meanwhile.
  void emitHalfStep(const Step &step, Value rows, Value line, MakeFactor makeFactor) const {
    const int64_t numVectors = step.numVectors(shape.queryTile);
    auto element = [&](int64_t q) { return code.loadSplat(isa.lanes, code.f32, code.at(rows, q * step.rowBytes)); };
    auto add = [&](int64_t q, int64_t v, Value element, Value factor) {
      Value &sum = step.sums[q * numVectors + v];
      sum = code.fma(factor, element, sum);
    };
    Values kept;
    if (numVectors <= shape.queryTile) {
      for (int64_t v = 0; v < numVectors; ++v)
        kept.push_back(makeFactor(line, v));
      for (int64_t q = 0; q < shape.queryTile; ++q) {
        Value each = element(q);
        for (int64_t v = 0; v < numVectors; ++v)
          add(q, v, each, kept[v]);
      }
      return;
    }
    for (int64_t q = 0; q < shape.queryTile; ++q)
      kept.push_back(element(q));
    for (int64_t v = 0; v < numVectors; ++v) {
      Value each = makeFactor(line, v);
      for (int64_t q = 0; q < shape.queryTile; ++q)
        add(q, v, kept[q], each);
    }
  }

  void emitStepOfPairs(const Step &step) const {
    const int64_t numVectors = step.numVectors(shape.queryTile);
    for (int64_t q = 0; q < shape.queryTile; ++q) {
      Value pair = code.loadSplat(isa.lanes, code.i32, code.at(step.rows, q * step.rowBytes));
      for (int64_t v = 0; v < numVectors; ++v) {
        Value &sum = step.sums[q * numVectors + v];
        sum = isa.dotPairs(code, sum, pairsAt(step.line, v), pair);
      }
    }
  }

  /// Fetches `bytes` bytes ahead, a multiple of a line. With AVX2 into the second level: lines on their way to the
  /// first one would take the few buffers of its misses, for which FMAs on what is there wait. vdpbf16ps needs half as
  /// long, and waits for the first level less than for the second.
  void fetch(Value address, int64_t bytes) const { code.prefetch(address, bytes, /*level=*/isa.lanes == 8 ? 2 : 1); }

  /// Of many tokens, the first tiles of queries fetch a quarter each of what comes then: another member may have
  /// written it last.
  void fetchShare(Value address, int64_t bytes, Value query) const {
    constexpr int64_t kShares = 4;
    code.when(code.less(query, code.num(kShares * shape.queryTile)), [&] {
      Value number = code.div(query, shape.queryTile);
      code.prefetch(code.at(address, code.mul(number, bytes / kShares)), bytes / kShares, /*level=*/2);
    });
  }

  /// scores[q][t] = q k, for some registers of keys at a time. The values are fetched meanwhile.
  void emitScores() const {
    int64_t numVectors = vectorsOf(kKeyTile / isa.lanes), tileKeys = numVectors * isa.lanes;
    code.loop(code.num(0), numKeys, tileKeys, [&](Value firstKey) {
      Value tileOfKeys = code.at(keys, code.mul(code.div(firstKey, kKeyTile), kKeyTile * shape.width * 2));
      Value keysAt = code.at(tileOfKeys, code.mul(code.rem(firstKey, kKeyTile), shape.isHalf ? 2 : 4));
      Value valuesAt = code.at(values, code.mul(firstKey, shape.width * 2));
      code.loop(code.num(0), numQueries, shape.queryTile, [&](Value query) {
        int64_t rowBytes = shape.width * elementBytes();
        Value rows = code.at(queries, code.mul(query, rowBytes));
        if (!shape.isAlone)
          fetchShare(valuesAt, tileKeys * shape.width * 2, query);
        Values sums(shape.queryTile * numVectors, code.zero(floats()));
        sums = code.loop(code.num(0), code.num(shape.width / 2), 1, sums, [&](Value pair, ValueRange carried) {
          Values next(carried);
          if (shape.isAlone)
            fetch(code.at(valuesAt, code.mul(pair, tileKeys * 4)), tileKeys * 4);
          emitStep({next, code.at(rows, code.mul(pair, 2 * elementBytes())), rowBytes,
                    code.at(keysAt, code.mul(pair, kKeyTile * 4)), kKeyTile * 2});
          return next;
        });
        Value to = code.at(code.at(scores, code.mul(query, kScoreBytes)), code.mul(firstKey, 4));
        for (int64_t i = 0; i < shape.queryTile * numVectors; ++i)
          code.store(sums[i], code.at(to, i / numVectors * kScoreBytes + i % numVectors * isa.lanes * 4));
      });
    });
  }

  /// Lanes first .. first + 15 that are below `limit`.
  Value seen(Value first, Value ofQuery) const {
    SmallVector<int32_t> counting;
    for (int64_t i = 0; i < kLanes; ++i)
      counting.push_back(i);
    auto &b = code.builder();
    Type lanes = code.vec(kLanes, code.i32);
    Value count =
        b.create<arith::ConstantOp>(DenseElementsAttr::get(cast<VectorType>(lanes), ArrayRef<int32_t>(counting)));
    Value left = b.create<arith::TruncIOp>(code.i32, code.sub(ofQuery, first));
    return b.create<arith::CmpIOp>(arith::CmpIPredicate::slt, count, code.splat(kLanes, left));
  }

  /// Scores become powers, rounded to bf16 where rows are, exactly zero where a key is not seen.
  void emitSoftmax() const {
    code.when(
        code.less(limit, code.num(kPartition)), [&] { emitSoftmax(/*seesAll=*/false); },
        [&] { emitSoftmax(/*seesAll=*/true); });
  }

  void emitSoftmax(bool seesAll) const {
    Value numLanes = seesAll ? code.num(kPartition) : code.mul(code.div(code.add(numKeys, kLanes - 1), kLanes), kLanes);
    auto ifSeen = [&](Value query, Value key, Value value, Value otherwise) {
      return seesAll ? value
                     : code.select(seen(key, code.add(limit, code.div(query, shape.groupSize))), value, otherwise);
    };
    // Some queries' largest scores first, so that none's powers wait for its own.
    code.loop(code.num(0), numQueries, shape.queryTile, [&](Value first) {
      Value end = code.min(code.add(first, shape.queryTile), numQueries);
      code.loop(first, end, 1, [&](Value query) { emitLargest(query, numLanes, ifSeen); });
      code.loop(first, end, 1, [&](Value query) { emitPowers(query, numLanes, ifSeen); });
    });
  }

  /// `value` where `query` sees `key` and what comes behind it, else `otherwise`.
  using IfSeen = llvm::function_ref<Value(Value query, Value key, Value value, Value otherwise)>;

  Value scoresOf(Value query) const { return code.at(scores, code.mul(query, kScoreBytes)); }
  Value stateOf(Value query) const { return code.at(states, code.mul(query, stateBytes())); }

  void emitLargest(Value query, Value numLanes, IfSeen ifSeen) const {
    Type lanes = code.vec(kLanes, code.f32);
    Value row = scoresOf(query), nothing = code.splat(kLanes, kNothing);
    Value most = code.loop(code.num(0), numLanes, kLanes, Values{nothing}, [&](Value key, ValueRange carried) {
      Value score = code.load(lanes, code.at(row, code.mul(key, 4)));
      return Values{code.maxF(ifSeen(query, key, score, nothing), carried[0])};
    })[0];
    code.store(code.reduceMax(most), stateOf(query));
  }

  void emitPowers(Value query, Value numLanes, IfSeen ifSeen) const {
    Type lanes = code.vec(kLanes, code.f32);
    Value row = scoresOf(query), state = stateOf(query), zero = code.zero(lanes);
    Value largest = code.loadSplat(kLanes, code.f32, state);
    Value sum = code.loop(code.num(0), numLanes, kLanes, Values{zero}, [&](Value key, ValueRange carried) {
      Value at = code.at(row, code.mul(key, 4));
      Value power = ifSeen(query, key, emitExp2(code, code.subF(code.load(lanes, at), largest)), zero);
      // Pairs are packed to the row's front, which was read before.
      if (isPaired())
        code.store(isa.toBf16(code, power), code.at(row, code.mul(key, 2)));
      else
        code.store(shape.isHalf ? power : roundToBf16(code, isa, power), at);
      return Values{code.addF(carried[0], power)};
    })[0];
    code.store(code.reduceAdd(sum), code.at(state, 4));
  }

  /// states[q] = p v. The next partition's keys are fetched meanwhile.
  void emitValues() const {
    int64_t numVectors = vectorsOf(shape.width / isa.lanes), chunk = numVectors * isa.lanes;
    code.loop(code.num(0), numQueries, shape.queryTile, [&](Value query) {
      Value lastToken = code.div(code.add(query, shape.queryTile - 1), shape.groupSize); // powers of later keys are 0
      Value seenKeys = code.max(code.num(0), code.min(code.add(limit, lastToken), numKeys));
      Value numPairs = code.div(code.add(seenKeys, 1), 2);
      Value rows = scoresOf(query), state = stateOf(query);
      code.loop(code.num(0), code.num(shape.width), chunk, [&](Value lane) {
        Value laneBytes = code.mul(lane, 4);
        if (!shape.isAlone)
          fetchShare(code.at(next, code.mul(lane, kPartition * 2)), chunk * kPartition * 2, query);
        Values sums(shape.queryTile * numVectors, code.zero(floats()));
        sums = code.loop(code.num(0), numPairs, 1, sums, [&](Value pair, ValueRange carried) {
          Values results(carried);
          if (shape.isAlone)
            fetch(code.at(code.at(next, code.mul(lane, kPartition * 2)), code.mul(pair, chunk * 4)), chunk * 4);
          Value line = code.at(values, code.mul(pair, shape.width * 4));
          emitStep({results, code.at(rows, code.mul(pair, 2 * elementBytes())), kScoreBytes,
                    code.at(line, shape.isHalf ? code.mul(lane, 2) : laneBytes), shape.width * 2});
          return results;
        });
        Value to = code.at(code.at(state, 64), laneBytes);
        for (int64_t i = 0; i < shape.queryTile * numVectors; ++i)
          code.store(sums[i], code.at(to, i / numVectors * stateBytes() + i % numVectors * isa.lanes * 4));
      });
    });
  }
};

} // namespace

int64_t aloneQueryTile(int64_t groupSize) {
  // Queries of all tiles, and about one step more a tile for what they share.
  auto cost = [&](int64_t tile) { return (groupSize + tile - 1) / tile * (tile + 1); };
  int64_t best = 1;
  for (int64_t tile = 2; tile <= kQueryTileAvx2; ++tile)
    best = cost(tile) < cost(best) ? tile : best;
  return best;
}

void emitPartition(const Kernel &kernel, const PartitionShape &shape, const PartitionCall &call) {
  Code &outer = kernel.code;
  std::string name = "cpu_attend_" + std::to_string(shape.width) + "_" + std::to_string(shape.groupSize) + "_" +
                     std::to_string(shape.queryTile) + (shape.isAlone ? "_alone_" : "_") +
                     (shape.isHalf ? "f16_" : "") + kernel.isa.name;
  Type p = outer.ptr, i = outer.i64;
  auto function = sharedFunction(kernel.module, name, {p, i, p, p, i, p, p, p}, [&](Code &code, ValueRange args) {
    Value lastToken = code.div(code.sub(args[1], code.num(1)), shape.groupSize);
    Value numKeys = code.min(code.add(args[4], lastToken), code.num(kPartition));
    Partition partition{code,    kernel.isa, shape,   args[0], args[1], args[2],
                        args[3], args[4],    args[5], args[6], args[7], numKeys};
    partition.emitScores();
    partition.emitSoftmax();
    partition.emitValues();
  });
  Value operands[] = {call.queries, call.numQueries, call.keys,   call.values,
                      call.limit,   call.scores,     call.states, call.next};
  outer.builder().create<func::CallOp>(function, operands);
}

void emitMerge(const Kernel &kernel, int64_t width, Value state, Value next) {
  Code &outer = kernel.code;
  std::string name = "cpu_attend_merge_" + std::to_string(width) + "_" + kernel.isa.name;
  auto function = sharedFunction(kernel.module, name, {outer.ptr, outer.ptr}, [&](Code &code, ValueRange args) {
    Value nothing = code.builder().create<arith::ConstantOp>(code.builder().getF32FloatAttr(kNothing));
    Value mine = code.load(code.f32, args[0]), other = code.load(code.f32, args[1]);
    Value sees = code.builder().create<arith::CmpFOp>(arith::CmpFPredicate::OGT, other, nothing);
    code.when(sees, [&] {
      Type lanes = code.vec(kLanes, code.f32);
      Value most = code.maxF(mine, other);
      Value both = code.shuffle(code.splat(2, mine), code.splat(2, other), {0, 2, 0, 2});
      Value factors = emitExp2(code, code.subF(both, code.splat(4, most)));
      Value ofMine = code.extract(factors, 0), ofOther = code.extract(factors, 1);
      Value a = code.splat(kLanes, ofMine), b = code.splat(kLanes, ofOther);
      Value sum = code.fma(code.load(code.f32, code.at(args[0], 4)), ofMine,
                           code.mulF(code.load(code.f32, code.at(args[1], 4)), ofOther));
      code.store(most, args[0]);
      code.store(sum, code.at(args[0], 4));
      code.loop(code.num(0), code.num(width * 4), kLanes * 4, [&](Value at) {
        Value to = code.at(code.at(args[0], 64), at);
        Value scaled = code.mulF(code.load(lanes, code.at(code.at(args[1], 64), at)), b);
        code.store(code.fma(code.load(lanes, to), a, scaled), to);
      });
    });
  });
  outer.builder().create<func::CallOp>(function, ValueRange{state, next});
}

} // namespace kvasir::cpu
