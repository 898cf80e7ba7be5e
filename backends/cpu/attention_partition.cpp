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
  Value queries, numQueries, keys, values, limit, scores, states;
  Value numKeys; ///< what the last token sees, at most 128

  Type floats() const { return code.vec(isa.lanes, code.f32); }
  Type words() const { return code.vec(isa.lanes, code.i32); }
  int64_t stateBytes() const { return attentionStateBytes(shape.width); }

  Value pairsAt(Value line, size_t vector) const {
    return code.load(words(), code.at(line, int64_t(vector) * isa.lanes * 4));
  }

  /// sums[q][v] += pair p of row q at `rows` times register v of pairs at `line`; of bf16 the odd element is added
  /// first. Of f16 the pair's second elements lie `secondBytes` behind its first ones.
  void step(MutableArrayRef<Value> sums, Value rows, int64_t rowBytes, Value line, int64_t secondBytes) const {
    if (shape.isHalf) {
      stepOfHalf(sums, rows, rowBytes, halvesAt(sums, line));
      // Later: twelve sums and both halves don't fit sixteen registers.
      Value second = code.at(isa.lanes == 8 ? code.pinned(line) : line, secondBytes);
      return stepOfHalf(sums, code.at(rows, 4), rowBytes, halvesAt(sums, second));
    }
    if (isa.hasBf16 && !isa.isEmulated)
      return stepOfPairs(sums, rows, rowBytes, line);
    stepOfHalf(sums, code.at(rows, 4), rowBytes, partsAt(sums, line, highBf16));
    // Loaded again: twelve sums and both halves don't fit sixteen registers.
    stepOfHalf(sums, rows, rowBytes, partsAt(sums, isa.lanes == 8 ? code.pinned(line) : line, lowBf16));
  }

  /// One half of the pairs at `line`, as f32: a register for each of a query's sums.
  Values partsAt(ArrayRef<Value> sums, Value line, Value (*half)(Code &, Value)) const {
    Values factors;
    for (size_t v = 0; v < sums.size() / shape.queryTile; ++v)
      factors.push_back(half(code, pairsAt(line, v)));
    return factors;
  }

  Values halvesAt(ArrayRef<Value> sums, Value line) const {
    Values factors;
    for (size_t v = 0; v < sums.size() / shape.queryTile; ++v)
      factors.push_back(
          code.extF(code.load(code.vec(isa.lanes, code.f16), code.at(line, int64_t(v) * isa.lanes * 2), 2), code.f32));
    return factors;
  }

  void stepOfHalf(MutableArrayRef<Value> sums, Value rows, int64_t rowBytes, ArrayRef<Value> factors) const {
    size_t numVectors = factors.size();
    for (int64_t q = 0; q < shape.queryTile; ++q) {
      Value element = code.loadSplat(isa.lanes, code.f32, code.at(rows, q * rowBytes));
      for (size_t v = 0; v < numVectors; ++v)
        sums[q * numVectors + v] = code.fma(factors[v], element, sums[q * numVectors + v]);
    }
  }

  void stepOfPairs(MutableArrayRef<Value> sums, Value rows, int64_t rowBytes, Value line) const {
    size_t numVectors = sums.size() / shape.queryTile;
    for (int64_t q = 0; q < shape.queryTile; ++q) {
      Value row = code.at(rows, q * rowBytes);
      Value low = code.loadSplat(isa.lanes, code.i32, row), high = code.loadSplat(isa.lanes, code.i32, code.at(row, 4));
      Value both = code.orI(code.shr(low, 16), high);
      for (size_t v = 0; v < numVectors; ++v)
        sums[q * numVectors + v] = isa.dotPairs(code, sums[q * numVectors + v], pairsAt(line, v), both);
    }
  }

  /// scores[q][t] = q k, two registers of keys at a time.
  void emitScores() const {
    int64_t tileKeys = 2 * isa.lanes;
    code.loop(code.num(0), numKeys, tileKeys, [&](Value firstKey) {
      Value tileOfKeys = code.at(keys, code.mul(code.div(firstKey, kKeyTile), kKeyTile * shape.width * 2));
      Value keysAt = code.at(tileOfKeys, code.mul(code.rem(firstKey, kKeyTile), shape.isHalf ? 2 : 4));
      Value valuesAt = code.at(values, code.mul(firstKey, shape.width * 2));
      code.loop(code.num(0), numQueries, shape.queryTile, [&](Value query) {
        Value rows = code.at(queries, code.mul(query, shape.width * 4));
        Values sums(shape.queryTile * 2, code.zero(floats()));
        sums = code.loop(code.num(0), code.num(shape.width / 2), 1, sums, [&](Value pair, ValueRange carried) {
          Values next(carried);
          Value line = code.at(keysAt, code.mul(pair, kKeyTile * 4));
          if (shape.isAlone) {
            code.prefetch(code.at(line, tileKeys * 4));
            Value ahead = code.mul(pair, tileKeys * 4);
            for (int64_t byte = 0; byte < tileKeys * 4; byte += 64)
              code.prefetch(code.at(code.at(valuesAt, ahead), byte));
          }
          step(next, code.at(rows, code.mul(pair, 8)), shape.width * 4, line, kKeyTile * 2);
          return next;
        });
        Value to = code.at(code.at(scores, code.mul(query, kScoreBytes)), code.mul(firstKey, 4));
        for (int64_t i = 0; i < shape.queryTile * 2; ++i)
          code.store(sums[i], code.at(to, i / 2 * kScoreBytes + i % 2 * isa.lanes * 4));
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
    Type lanes = code.vec(kLanes, code.f32);
    Value numLanes = code.mul(code.div(code.add(numKeys, kLanes - 1), kLanes), kLanes);
    code.loop(code.num(0), numQueries, 1, [&](Value query) {
      Value row = code.at(scores, code.mul(query, kScoreBytes)), state = code.at(states, code.mul(query, stateBytes()));
      Value ofQuery = code.add(limit, code.div(query, shape.groupSize));
      Value nothing = code.splat(kLanes, kNothing), zero = code.zero(lanes);
      Value most = code.loop(code.num(0), numLanes, kLanes, Values{nothing}, [&](Value key, ValueRange carried) {
        Value score = code.load(lanes, code.at(row, code.mul(key, 4)));
        return Values{code.maxF(code.select(seen(key, ofQuery), score, nothing), carried[0])};
      })[0];
      Value largest = code.reduceMax(most), largests = code.splat(kLanes, largest);
      Value sum = code.loop(code.num(0), numLanes, kLanes, Values{zero}, [&](Value key, ValueRange carried) {
        Value at = code.at(row, code.mul(key, 4));
        Value power = emitExp2(code, code.subF(code.load(lanes, at), largests));
        power = code.select(seen(key, ofQuery), power, zero);
        code.store(shape.isHalf ? power : roundToBf16(code, isa, power), at);
        return Values{code.addF(carried[0], power)};
      })[0];
      code.store(largest, state);
      code.store(code.reduceAdd(sum), code.at(state, 4));
    });
  }

  /// states[q] = p v.
  void emitValues() const {
    int64_t numVectors = shape.width % (2 * isa.lanes) ? 1 : 2, chunk = numVectors * isa.lanes;
    code.loop(code.num(0), numQueries, shape.queryTile, [&](Value query) {
      Value lastToken = code.div(code.add(query, shape.queryTile - 1), shape.groupSize); // powers of later keys are 0
      Value seenKeys = code.max(code.num(0), code.min(code.add(limit, lastToken), numKeys));
      Value numPairs = code.div(code.add(seenKeys, 1), 2);
      Value rows = code.at(scores, code.mul(query, kScoreBytes)),
            state = code.at(states, code.mul(query, stateBytes()));
      code.loop(code.num(0), code.num(shape.width), chunk, [&](Value lane) {
        Value laneBytes = code.mul(lane, 4), halfBytes = code.mul(lane, 2);
        Values sums(shape.queryTile * numVectors, code.zero(floats()));
        sums = code.loop(code.num(0), numPairs, 1, sums, [&](Value pair, ValueRange carried) {
          Values next(carried);
          Value line = code.at(code.at(values, code.mul(pair, shape.width * 4)), shape.isHalf ? halfBytes : laneBytes);
          step(next, code.at(rows, code.mul(pair, 8)), kScoreBytes, line, shape.width * 2);
          return next;
        });
        Value to = code.at(code.at(state, 64), laneBytes);
        for (int64_t i = 0; i < shape.queryTile * numVectors; ++i)
          code.store(sums[i], code.at(to, i / numVectors * stateBytes() + i % numVectors * isa.lanes * 4));
      });
    });
  }
};

} // namespace

void emitPartition(const Kernel &kernel, const PartitionShape &shape, const PartitionCall &call) {
  Code &outer = kernel.code;
  std::string name = "cpu_attend_" + std::to_string(shape.width) + "_" + std::to_string(shape.groupSize) + "_" +
                     std::to_string(shape.queryTile) + (shape.isAlone ? "_alone_" : "_") +
                     (shape.isHalf ? "f16_" : "") + kernel.isa.name;
  Type p = outer.ptr, i = outer.i64;
  auto function = sharedFunction(kernel.module, name, {p, i, p, p, i, p, p}, [&](Code &code, ValueRange args) {
    Value lastToken = code.div(code.sub(args[1], code.num(1)), shape.groupSize);
    Value numKeys = code.min(code.add(args[4], lastToken), code.num(kPartition));
    Partition partition{code,    kernel.isa, shape,   args[0], args[1], args[2],
                        args[3], args[4],    args[5], args[6], numKeys};
    partition.emitScores();
    partition.emitSoftmax();
    partition.emitValues();
  });
  Value operands[] = {call.queries, call.numQueries, call.keys, call.values, call.limit, call.scores, call.states};
  outer.builder().create<func::CallOp>(function, operands);
}

void emitEmptyState(Code &code, int64_t width, Value state) {
  Type lanes = code.vec(kLanes, code.f32);
  code.store(code.builder().create<arith::ConstantOp>(code.builder().getF32FloatAttr(kNothing)), state);
  code.store(code.zero(code.f32), code.at(state, 4));
  code.loop(code.num(0), code.num(width * 4), kLanes * 4,
            [&](Value at) { code.store(code.zero(lanes), code.at(code.at(state, 64), at)); });
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
      Value a = emitExp2(code, code.splat(kLanes, code.subF(mine, most)));
      Value b = emitExp2(code, code.splat(kLanes, code.subF(other, most)));
      Value sum = code.fma(code.load(code.f32, code.at(args[0], 4)), code.extract(a, 0),
                           code.mulF(code.load(code.f32, code.at(args[1], 4)), code.extract(b, 0)));
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
