// SPDX-License-Identifier: MIT
#include "backends/cpu/attention_partition.h"

#include "backends/cpu/epilogues.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace kvasir::cpu {
namespace {

constexpr int64_t kLanes = 16;          // of the softmax: the order of its sums
constexpr int64_t kSoftmaxBytes = 2048; // what memory gives during one token's softmax, which reads nothing
constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Partition {
  Code &code;
  const Isa &isa;
  const PartitionShape &shape;
  const PartitionCall &call;
  Value lastToken = code.div(code.sub(call.numQueries, code.num(1)), shape.groupSize);
  Value firstKey = firstKeyOf(code.num(0)); ///< from here on the first token sees keys
  Value numKeys = code.min(code.add(call.limit, lastToken), code.num(kPartition)); ///< up to here the last one does

  Type floats() const { return code.vec(isa.lanes, code.f32); }
  Type words() const { return code.vec(isa.lanes, code.i32); }
  QueryRecord record() const { return {shape.queryTile}; }
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

  /// Memory that is fetched ahead, piece by piece. What lies behind the last line that is wanted is not touched.
  struct Stream {
    Code &code;
    Value begin, lastAt, end; ///< the last piece's offset, and that of what lies behind
    int64_t pieceBytes;

    Stream(Code &code, Value begin, Value count, int64_t eachBytes, int64_t pieceBytes)
        : code(code), begin(begin), end(code.mul(count, eachBytes)), pieceBytes(pieceBytes) {
      lastAt = code.max(code.sub(end, code.num(pieceBytes)), code.num(0));
    }
    Value piece(Value number) const { return code.at(begin, code.min(code.mul(number, pieceBytes), lastAt)); }
    void forPieces(Value first, Value last, llvm::function_ref<void(Value)> body) const {
      code.loop(code.mul(first, pieceBytes), code.min(code.mul(last, pieceBytes), end), pieceBytes,
                [&](Value at) { body(code.at(begin, at)); });
    }
  };

  /// The first key of the partition that a token sees, which may lie behind its end; 0 if that is in an earlier one.
  Value firstKeyOf(Value token) const {
    Value none = code.num(0);
    return shape.window ? code.max(code.sub(code.add(call.limit, token), code.num(shape.window)), none) : none;
  }
  Value roundDown(Value key, int64_t multiple) const { return code.mul(code.div(key, multiple), multiple); }

  Value pairsOf(Value keys) const { return code.div(code.add(keys, 1), 2); }
  /// Tiles of a partition in which a token that sees `limit` keys from its first one on sees some.
  Value tilesOf(Value limit) const {
    return code.div(code.add(code.min(limit, code.num(kPartition)), kKeyTile - 1), kKeyTile);
  }

  /// Vectors of scores whose exponentials are computed step by step together: AVX2 has no registers for more.
  size_t together() const { return isa.lanes == 16 ? 2 : 1; }

  /// Of 2 s / c in powers of two the capped score, in powers of two as well: c tanh(s / c) = c - 2 c / (1 + e^(2 s /
  /// c)). Within 5e-7 c: 2^x errs by 2e-7 of itself, which moves the quotient by at most 1e-7 c; sum, quotient,
  /// difference and c itself are rounded, which moves it by at most 2^-24 times 2 c, 2 c, c and c.
  void emitSoftcap(MutableArrayRef<Value> scores) const {
    auto constant = [&](float value) { return code.splat(isa.lanes, value); };
    const float cap = shape.softcap * kLog2E;
    for (Value &score : scores)
      score = code.minF(score, constant(126.0f));
    emitExp2(code, scores);
    for (Value &score : scores)
      score = code.subF(constant(cap), code.divF(constant(2 * cap), code.addF(score, constant(1.0f))));
  }

  /// scores[q][t] = q k, for some registers of keys at a time. The values are fetched meanwhile.
  void emitScores() const {
    int64_t numVectors = vectorsOf(kKeyTile / isa.lanes), tileKeys = numVectors * isa.lanes;
    code.loop(roundDown(firstKey, tileKeys), numKeys, tileKeys, [&](Value key) {
      Value tileOfKeys = code.at(call.keys, code.mul(code.div(key, kKeyTile), kKeyTile * shape.width * 2));
      Value keysAt = code.at(tileOfKeys, code.mul(code.rem(key, kKeyTile), shape.isHalf ? 2 : 4));
      Value valuesAt = code.at(call.values, code.mul(key, shape.width * 2));
      code.loop(code.num(0), call.numQueries, shape.queryTile, [&](Value query) {
        int64_t rowBytes = shape.width * elementBytes();
        Value rows = code.at(call.queries, code.mul(query, rowBytes));
        if (!shape.isAlone)
          fetchShare(valuesAt, tileKeys * shape.width * 2, query);
        Stream ahead(code, valuesAt, pairsOf(code.sub(numKeys, key)), shape.width * 4, tileKeys * 4);
        Values sums(shape.queryTile * numVectors, code.zero(floats()));
        sums = code.loop(code.num(0), code.num(shape.width / 2), 1, sums, [&](Value pair, ValueRange carried) {
          Values next(carried);
          if (shape.isAlone)
            fetch(ahead.piece(pair), ahead.pieceBytes);
          emitStep({next, code.at(rows, code.mul(pair, 2 * elementBytes())), rowBytes,
                    code.at(keysAt, code.mul(pair, kKeyTile * 4)), kKeyTile * 2});
          return next;
        });
        for (size_t i = 0; shape.softcap && i < sums.size(); i += together())
          emitSoftcap(MutableArrayRef(sums).slice(i, std::min(together(), sums.size() - i)));
        Value to = code.at(scoresOf(query), code.mul(key, 4));
        for (int64_t i = 0; i < shape.queryTile * numVectors; ++i)
          code.store(sums[i], code.at(to, i / numVectors * kScoreBytes + i % numVectors * isa.lanes * 4));
      });
    });
  }

  /// Which of keys first .. first + 15 a token sees.
  Value seen(Value first, Value token) const {
    SmallVector<int32_t> counting;
    for (int64_t i = 0; i < kLanes; ++i)
      counting.push_back(i);
    auto &b = code.builder();
    Type lanes = code.vec(kLanes, code.i32);
    Value count =
        b.create<arith::ConstantOp>(DenseElementsAttr::get(cast<VectorType>(lanes), ArrayRef<int32_t>(counting)));
    auto compared = [&](arith::CmpIPredicate how, Value key) -> Value {
      Value lane = b.create<arith::TruncIOp>(code.i32, code.sub(key, first));
      return b.create<arith::CmpIOp>(how, count, code.splat(kLanes, lane));
    };
    Value isBeforeEnd = compared(arith::CmpIPredicate::slt, code.add(call.limit, token));
    return shape.window ? code.andI(isBeforeEnd, compared(arith::CmpIPredicate::sge, firstKeyOf(token))) : isBeforeEnd;
  }

  /// Scores become powers, rounded to bf16 where rows are, exactly zero where a key is not seen. They are of what a
  /// score has less than the next whole number above the largest: factors of joining are powers of two then, and whole
  /// numbers need no subtraction of their own. Sums are of powers as they are rounded: shares add up to one.
  void emitSoftmax() const {
    Value isPart = code.less(call.limit, code.num(kPartition));
    if (shape.window)
      isPart = code.orI(isPart, code.less(code.num(0), firstKeyOf(lastToken)));
    code.when(isPart, [&] { emitSoftmax(/*seesAll=*/false); }, [&] { emitSoftmax(/*seesAll=*/true); });
  }

  void emitSoftmax(bool seesAll) const {
    Value begin = seesAll ? code.num(0) : roundDown(firstKey, 2 * kLanes);
    Value end = seesAll ? code.num(kPartition) : numKeys;
    auto ifSeen = [&](Value query, Value key, Value value, Value otherwise) {
      if (seesAll)
        return value;
      return code.select(seen(key, code.div(query, shape.groupSize)), value, otherwise);
    };
    // Some queries' largest scores first, so that none's powers wait for its own.
    code.loop(code.num(0), call.numQueries, shape.queryTile, [&](Value first) {
      Value last = code.min(code.add(first, shape.queryTile), call.numQueries);
      auto lineAt = [&](QueryRecord::Line line) { return record().lineAt(code, call.records, first, line); };
      code.loop(first, last, 1, [&](Value query) { emitLargest(query, begin, end, ifSeen); });
      Value largest = reduced(first, [&](Value a, Value b) { return code.maxF(a, b); });
      code.store(code.ceilF(largest), lineAt(QueryRecord::kHere));
      code.loop(first, last, 1, [&](Value query) { emitPowers(query, begin, end, ifSeen); });
      Value sum = reduced(first, [&](Value a, Value b) { return code.addF(a, b); });
      code.when(
          call.isFirst,
          [&] {
            code.store(code.load(sum.getType(), lineAt(QueryRecord::kHere)), lineAt(QueryRecord::kLargest));
            code.store(sum, lineAt(QueryRecord::kSum));
          },
          [&] { emitJoin(lineAt, sum); });
    });
  }

  /// Joins what is known of a tile's queries with this partition's.
  void emitJoin(llvm::function_ref<Value(QueryRecord::Line)> lineAt, Value sumHere) const {
    Type line = sumHere.getType();
    int64_t lanes = record().lanes();
    Value largest = code.load(line, lineAt(QueryRecord::kLargest)), sum = code.load(line, lineAt(QueryRecord::kSum));
    Value largestHere = code.load(line, lineAt(QueryRecord::kHere));
    Value most = code.maxF(largest, largestHere);
    Value factors[] = {code.subF(largest, most), code.subF(largestHere, most)};
    emitExp2(code, factors);
    auto unlessNothing = [&](Value largest, Value factor) {
      Value sees =
          code.builder().create<arith::CmpFOp>(arith::CmpFPredicate::OGT, largest, code.splat(lanes, kNothing));
      return code.select(sees, factor, code.splat(lanes, -0.0f));
    };
    // Each query sees a key of one of a tile's first two partitions: a tile has fewer tokens than a partition.
    Value ofBefore = shape.window ? unlessNothing(largest, factors[0]) : factors[0];
    Value ofHere = unlessNothing(largestHere, factors[1]);
    Value joined = code.fma(sum, ofBefore, code.mulF(sumHere, ofHere));
    code.store(most, lineAt(QueryRecord::kLargest));
    code.store(joined, lineAt(QueryRecord::kSum));
    code.store(ofBefore, lineAt(QueryRecord::kOfBefore));
    code.store(ofHere, lineAt(QueryRecord::kOfHere));
  }

  /// `value` where `query` sees `key` and what comes behind it, else `otherwise`.
  using IfSeen = llvm::function_ref<Value(Value query, Value key, Value value, Value otherwise)>;

  Value scoresOf(Value query) const { return code.at(call.scores, code.mul(query, kScoreBytes)); }

  /// What is to be reduced lies behind a query's scores: all of a tile's are reduced together.
  Value partialOf(Value query) const { return code.at(scoresOf(query), kPartition * 4); }

  /// A tile's partials, each reduced as by Code::reduceAdd: a lane for each query.
  Value reduced(Value first, Combine combine) const {
    Values partials;
    for (int64_t i = 0; i < shape.queryTile; ++i)
      partials.push_back(code.load(code.vec(kLanes, code.f32), partialOf(code.add(first, i))));
    Value all = code.reduceTogether(partials, combine);
    SmallVector<int64_t> lanes(record().lanes());
    std::iota(lanes.begin(), lanes.end(), 0);
    return code.shuffle(all, all, lanes);
  }

  void emitLargest(Value query, Value begin, Value end, IfSeen ifSeen) const {
    Type lanes = code.vec(kLanes, code.f32);
    Value row = scoresOf(query), nothing = code.splat(kLanes, kNothing);
    Value most = code.loop(begin, end, kLanes, Values{nothing}, [&](Value key, ValueRange carried) {
      Value score = code.load(lanes, code.at(row, code.mul(key, 4)));
      return Values{code.maxF(ifSeen(query, key, score, nothing), carried[0])};
    })[0];
    code.store(most, partialOf(query));
  }

  void emitPowers(Value query, Value begin, Value end, IfSeen ifSeen) const {
    Value row = scoresOf(query), zero = code.zero(code.vec(kLanes, code.f32));
    Value largest = code.loadSplat(kLanes, code.f32, record().floatAt(code, call.records, query, QueryRecord::kHere));
    Value sum = code.loop(begin, end, 2 * kLanes, Values{zero}, [&](Value first, ValueRange carried) {
      Value keys[] = {first, code.add(first, kLanes)}, powers[2];
      for (size_t i = 0; i < 2; ++i)
        powers[i] = code.load(zero.getType(), code.at(row, code.mul(keys[i], 4)));
      for (size_t i = 0; i < 2; i += together())
        emitExp2(code, MutableArrayRef(powers).slice(i, together()), shape.isHalf ? Exp2::fine : Exp2::coarse, largest);
      for (size_t i = 0; i < 2; ++i)
        powers[i] = ifSeen(query, keys[i], powers[i], zero);
      return Values{storePowers(row, first, powers[0], powers[1], carried[0])};
    })[0];
    code.store(shape.isHalf || isPaired() ? sum : code.shuffle(sum, sum, kPairOrder), partialOf(query));
  }

  /// The order of a register of pairs where they are put together from two without crossing AVX2's halves. It is its
  /// own inverse.
  static constexpr int64_t kPairOrder[] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};

  /// Stores powers of two times sixteen keys and adds them, as they are stored, to `sum`: a lane for each pair.
  Value storePowers(Value row, Value key, Value first, Value second, Value sum) const {
    if (isPaired()) { // packed to the row's front, which was read before
      Value pairs = isa.toBf16Pairs(code, first, second), ones = code.splat(kLanes, code.i32, 0x3f803f80);
      code.store(pairs, code.at(row, code.mul(key, 2)));
      return isa.dotPairs(code, sum, pairs, ones);
    }
    if (!shape.isHalf)
      first = roundToBf16(code, isa, first), second = roundToBf16(code, isa, second);
    Value at = code.at(row, code.mul(key, 4));
    code.store(first, at);
    code.store(second, code.at(at, kLanes * 4));
    if (shape.isHalf)
      return code.addF(code.addF(sum, first), second);
    SmallVector<int64_t> odd, even;
    for (int64_t pair : kPairOrder)
      odd.push_back(2 * pair + 1), even.push_back(2 * pair);
    return code.addF(code.addF(sum, code.shuffle(first, second, odd)), code.shuffle(first, second, even));
  }

  /// lanes[q] = p v, joined with what they were. The next partition's keys are fetched meanwhile.
  void emitValues() const {
    int64_t numVectors = vectorsOf(shape.width / isa.lanes), chunk = numVectors * isa.lanes;
    code.loop(code.num(0), call.numQueries, shape.queryTile, [&](Value query) {
      // Powers of keys in front of the first token's and behind the last one's are 0.
      Value first = code.div(query, shape.groupSize);
      Value last = code.div(code.add(query, shape.queryTile - 1), shape.groupSize);
      Value seenKeys = code.max(code.num(0), code.min(code.add(call.limit, last), numKeys));
      Value firstPair = code.div(firstKeyOf(first), 2), numPairs = code.div(code.add(seenKeys, 1), 2);
      Value rows = scoresOf(query), lanes = code.at(call.lanes, code.mul(query, shape.width * 4));
      code.loop(code.num(0), code.num(shape.width), chunk, [&](Value lane) {
        Value laneBytes = code.mul(lane, 4);
        if (!shape.isAlone)
          fetchShare(code.at(call.next, code.mul(lane, kPartition * 2)), chunk * kPartition * 2, query);
        Stream ahead(code, call.next, tilesOf(call.nextLimit), kKeyTile * shape.width * 2, chunk * 4);
        Value firstPiece = code.mul(code.div(lane, chunk), kPartition / 2);
        if (shape.isAlone) // pairs that are not there fetch nothing
          ahead.forPieces(code.add(firstPiece, code.sub(numPairs, firstPair)), code.add(firstPiece, kPartition / 2),
                          [&](Value piece) { fetch(piece, ahead.pieceBytes); });
        Values sums(shape.queryTile * numVectors, code.zero(floats()));
        sums = code.loop(firstPair, numPairs, 1, sums, [&](Value pair, ValueRange carried) {
          Values results(carried);
          if (shape.isAlone)
            fetch(ahead.piece(code.add(firstPiece, code.sub(pair, firstPair))), ahead.pieceBytes);
          Value line = code.at(call.values, code.mul(pair, shape.width * 4));
          emitStep({results, code.at(rows, code.mul(pair, 2 * elementBytes())), kScoreBytes,
                    code.at(line, shape.isHalf ? code.mul(lane, 2) : laneBytes), shape.width * 2});
          return results;
        });
        Value to = code.at(lanes, laneBytes);
        code.when(call.isFirst, [&] { storeLanes(sums, to); }, [&] { joinLanes(sums, to, query); });
      });
    });
  }

  Value sumAt(Value to, int64_t query, int64_t v) const {
    return code.at(to, query * shape.width * 4 + v * isa.lanes * 4);
  }

  void storeLanes(ArrayRef<Value> sums, Value to) const {
    for (int64_t i = 0, numVectors = int64_t(sums.size()) / shape.queryTile; i < int64_t(sums.size()); ++i)
      code.store(sums[i], sumAt(to, i / numVectors, i % numVectors));
  }

  void joinLanes(ArrayRef<Value> sums, Value to, Value firstQuery) const {
    const int64_t numVectors = int64_t(sums.size()) / shape.queryTile;
    auto factorsAt = [&](QueryRecord::Line line) { return record().lineAt(code, call.records, firstQuery, line); };
    Value before = factorsAt(QueryRecord::kOfBefore), here = factorsAt(QueryRecord::kOfHere);
    for (int64_t q = 0; q < shape.queryTile; ++q) {
      Value ofBefore = code.loadSplat(isa.lanes, code.f32, code.at(before, q * 4));
      Value ofHere = code.loadSplat(isa.lanes, code.f32, code.at(here, q * 4));
      for (int64_t v = 0; v < numVectors; ++v) {
        Value at = sumAt(to, q, v), here = code.mulF(sums[q * numVectors + v], ofHere);
        code.store(code.fma(code.load(floats(), at), ofBefore, here), at);
      }
    }
  }
};

} // namespace

Value QueryRecord::lineAt(Code &code, Value records, Value query, Line line) const {
  return code.at(code.at(records, code.mul(code.div(query, queryTile), bytes())), line * lanes() * 4);
}

Value QueryRecord::floatAt(Code &code, Value records, Value query, Line line) const {
  return code.at(lineAt(code, records, query, line), code.mul(code.rem(query, queryTile), 4));
}

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
                     (shape.isHalf ? "f16_" : "") +
                     (shape.window ? "window" + std::to_string(shape.window) + "_" : "") +
                     (shape.softcap ? "softcap" + llvm::utohexstr(llvm::bit_cast<uint32_t>(shape.softcap)) + "_" : "") +
                     kernel.isa.name;
  Type p = outer.ptr, i = outer.i64, types[] = {p, i, p, p, i, p, p, p, call.isFirst.getType(), p, i};
  auto function = sharedFunction(kernel.module, name, types, [&](Code &code, ValueRange args) {
    PartitionCall inner{args[0], args[1], args[2], args[3], args[4], args[5],
                        args[6], args[7], args[8], args[9], args[10]};
    Partition partition{code, kernel.isa, shape, inner};
    partition.emitScores();
    if (shape.isAlone)
      partition.fetch(inner.next, kSoftmaxBytes);
    partition.emitSoftmax();
    partition.emitValues();
  });
  Value operands[] = {call.queries, call.numQueries, call.keys,    call.values, call.limit,    call.scores,
                      call.records, call.lanes,      call.isFirst, call.next,   call.nextLimit};
  outer.builder().create<func::CallOp>(function, operands);
}

void emitMerge(const Kernel &kernel, int64_t width, Value state, Value next) {
  Code &outer = kernel.code;
  std::string name = "cpu_attend_merge_" + std::to_string(width) + "_" + kernel.isa.name;
  auto function = sharedFunction(kernel.module, name, {outer.ptr, outer.ptr}, [&](Code &code, ValueRange args) {
    Type lanes = code.vec(kLanes, code.f32);
    Value mine = code.load(code.f32, args[0]), other = code.load(code.f32, args[1]), most = code.maxF(mine, other);
    Value both = code.shuffle(code.splat(2, mine), code.splat(2, other), {0, 2, 0, 2});
    Value factors = code.subF(both, code.splat(4, most));
    emitExp2(code, factors);
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
  outer.builder().create<func::CallOp>(function, ValueRange{state, next});
}

} // namespace kvasir::cpu
