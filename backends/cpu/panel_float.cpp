// SPDX-License-Identifier: MIT
// Panels in f32: plain weights, and codes where activations keep more bits than int8 has.
#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

constexpr int64_t kPrefetchBlocks = 4;
constexpr int64_t kTileVectors = 2;

/// The steps of a block: its columns in their order, or pairs of columns where the machine multiplies bf16.
struct FloatPanel : PanelBody {
  explicit FloatPanel(const PanelBody &body) : PanelBody(body) {}

  int64_t numSteps() const { return isPaired ? kBlockColumns / 2 : kBlockColumns; }
  int64_t parts() const { return std::max<int64_t>(1, weight.subgroups()); }
  int64_t stepsOfPart() const { return numSteps() / parts(); }

  /// The order in which four columns are added: of bf16 pairs the odd one first, as vdpbf16ps does; of packed codes
  /// the pairs that a shift of their words leaves in place, (0, 2) and (1, 3).
  ArrayRef<int64_t> order() const {
    static const int64_t kCodes[] = {2, 0, 3, 1}, kPairs[] = {1, 0, 3, 2}, kPlain[] = {0, 1, 2, 3};
    return weight.isGrouped() ? kCodes : weight.codes == ElementType::bf16 ? kPairs : kPlain;
  }

  /// The weights of a step for one register of rows: f32, or pairs of bf16. Codes are less their zero.
  Value weightOf(const Block &block, int64_t step, int64_t vector) const {
    if (isPaired)
      return weight.isGrouped() ? codePairs(block, step, vector) : plainPairs(block, step, vector);
    return columnOf(block, step / 4 * 4 + order()[step % 4], vector);
  }

  /// Whether a code is all that one plane has of it.
  bool isOfOnePlane() const { return weight.highBits() == 0; }

  /// Codes of up to 8 bits are exact in bf16: the columns (4q, 4q + 2) or (4q + 1, 4q + 3).
  Value codePairs(const Block &block, int64_t step, int64_t vector) const {
    int64_t quad = step / 2, bits = 8 * (step % 2);
    if (weight.isPacked() && !isa.isEmulated)
      return lookUp(block, quad, bits, vector);
    Value low = code.bitcast(code.toFloat(codeOf(block, quad, bits, vector)), words());
    Value high = code.bitcast(code.toFloat(codeOf(block, quad, bits + 16, vector)), words());
    return code.orI(code.shr(low, 16), code.andI(high, code.splat(isa.lanes, code.i32, int32_t(0xffff0000))));
  }

  /// Codes of up to five bits by vpermw, which looks at five bits. Codes of one plane are not cut out: the table has
  /// their values for whatever lies above. Codes of six bits by vpermi2w and two tables.
  Value lookUp(const Block &block, int64_t quad, int64_t bits, int64_t vector) const {
    auto [word, first] =
        isOfOnePlane() ? wordsOf(block, quad, vector) : std::pair(packedQuad(block, quad, vector), int64_t(0));
    Type type = code.vec(2 * isa.lanes, code.i16);
    Value index = code.bitcast(first + bits ? code.shr(word, first + bits) : word, type);
    Value found =
        weight.highBits() == 2
            ? code.intrinsic("llvm.x86.avx512.vpermi2var.hi.512", type, {valuesFrom(0), index, valuesFrom(32)})
            : code.intrinsic("llvm.x86.avx512.permvar.hi.512", type, {valuesFrom(0), index});
    return code.bitcast(found, words());
  }

  /// The bf16 values of 32 codes from `first` on, again from 0 where there are fewer.
  Value valuesFrom(int64_t first) const {
    SmallVector<int16_t> values;
    for (int64_t i = first; i < first + 32; ++i) {
      int64_t stored = weight.table ? (*weight.table)[i % 16] : i % (isOfOnePlane() ? 1 << weight.lowBits() : 64);
      values.push_back(int16_t(llvm::bit_cast<uint32_t>(float(stored - weight.zero)) >> 16));
    }
    auto type = cast<VectorType>(code.vec(2 * isa.lanes, code.i16));
    return code.builder().create<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<int16_t>(values)));
  }

  /// The activation of a step, in every lane; `columns` is where the row's group begins.
  Value activationOf(Value columnsOfRow, int64_t step) const {
    if (isPaired)
      return code.loadSplat(isa.lanes, code.i32, code.at(columnsOfRow, 4 * step));
    return code.loadSplat(isa.lanes, code.f32, code.at(columnsOfRow, 4 * (step / 4 * 4 + order()[step % 4])));
  }

  Value multiplyAdd(Value weights, Value activation, Value sum) const {
    return isPaired ? isa.dotPairs(code, sum, weights, activation) : code.fma(weights, activation, sum);
  }

  /// y, after the sums of one subgroup's columns are scaled; plain weights are summed on y itself.
  Value finish(Value y, Value sum, Value scale, Value min, Value sumOfRow) const {
    y = code.fma(sum, scale, y);
    return weight.min ? code.fma(min, sumOfRow, y) : y;
  }

  Value sumOfRow(Value group, Value row, int64_t subgroup) const {
    if (!weight.min)
      return {};
    return code.loadSplat(isa.lanes, code.f32, factorAt(sums, group, row, subgroup));
  }

  /// Of activations.
  int64_t groupBytesOfRow() const { return isPaired ? kPairsBytes : 4 * kBlockColumns; }

  Value columnsAt(Value group, Value row) const {
    return code.at(columns, code.mul(code.add(code.mul(group, rows), row), groupBytesOfRow()));
  }

  /// Groups of columns that are taken at once, at the most. Sums of plain weights stay in registers over all of them:
  /// of those that are multiplied where they lie as many as leave room in a second-level cache (96 KiB), of others as
  /// many as are unpacked.
  int64_t chunkGroups() const { return weight.isGrouped() ? 1 : liesUnpacked() ? 48 : 4; }

  /// A chunk is unpacked to [kPanelRows / tile's][group][step][tile's rows], so that a tile reads on and on; behind
  /// that lie the scales (and mins) of each part, 32 in f32.
  int64_t tileBytes() const { return kTileVectors * isa.lanes * 4; }
  int64_t groupBytes() const { return numSteps() * tileBytes(); }
  /// Whether a block is what unpacking would make of it.
  bool liesUnpacked() const {
    return kTileVectors == vectors() &&
           (weight.codes == ElementType::f32 || (isPaired && weight.codes == ElementType::bf16));
  }
  int64_t stepAt(int64_t step, int64_t vector) const {
    int64_t tile = vector / kTileVectors, within = vector % kTileVectors * isa.lanes * 4;
    return tile * chunkGroups() * groupBytes() + step * tileBytes() + within;
  }
  int64_t factorsAt(int64_t part, bool isMin) const {
    return chunkGroups() * numSteps() * kPanelRows * 4 + (2 * part + isMin) * kPanelRows * 4;
  }
  struct Chunk {
    Value first, groups;
  };

  /// Rows of a tile, the largest first: vdpbf16ps takes sixteen sums to keep busy, AVX2's FMAs ten, and twelve leave
  /// its registers room for weights and an activation.
  SmallVector<int64_t> rowTiles() const {
    return isa.lanes == 8 ? SmallVector<int64_t>{6, 4, 2, 1} : SmallVector<int64_t>{8, 4, 1};
  }

  void emitOneRow() const;
  void beginQuad(Block &block, Values &sum) const;
  void emitRows() const;
  void unpack(const Block &block, Value to) const;
  void fetchNext(const Chunk &chunk, Value group, Value row, int64_t numRows) const;
  void emitTile(const Chunk &chunk, Value row, int64_t numRows, Value first) const;
  Values emitSteps(Value weights, Value columnsOfRow, int64_t part, int64_t numRows, Values sum) const;
};

void FloatPanel::emitOneRow() const {
  Values y =
      code.loop(code.num(0), groups, 1, Values(vectors(), code.zero(floats())), [&](Value group, ValueRange carried) {
        Block block = blockAt(group);
        if (weight.isGrouped())
          fetchStream(group, kPrefetchBlocks);
        Value columnsOfRow = columnsAt(group, code.num(0));
        Values next(carried);
        for (int64_t part = 0; part < parts(); ++part) {
          Values sum = weight.isGrouped() ? Values(vectors(), code.zero(floats())) : next;
          for (int64_t step = part * stepsOfPart(); step < (part + 1) * stepsOfPart(); ++step) {
            if (isa.lanes == 16 && weight.highBits() && step % 2 == 0)
              beginQuad(block, sum);
            Value activation = activationOf(columnsOfRow, step);
            for (int64_t v = 0; v < vectors(); ++v)
              sum[v] = multiplyAdd(weightOf(block, step, v), activation, sum[v]);
          }
          Value ofRow = sumOfRow(group, code.num(0), part);
          for (int64_t v = 0; v < vectors(); ++v)
            next[v] = weight.isGrouped()
                          ? finish(next[v], sum[v], scaleOf(block, part, v), minOf(block, part, v), ofRow)
                          : sum[v];
        }
        return next;
      });
  for (int64_t v = 0; v < vectors(); ++v)
    code.store(y[v], code.at(result, v * isa.lanes * 4));
}

/// Words that quads far apart share, and their high bits, don't fit the registers: they are loaded again, and no sum
/// waits for what is unpacked ahead.
void FloatPanel::beginQuad(Block &block, Values &sum) const {
  block.address = code.pinned(block.address);
  if (!isa.isEmulated) // wider than this machine's registers
    for (Value &each : sum)
      each = code.pinned(each);
}

/// Four steps a turn, of one group of columns.
Values FloatPanel::emitSteps(Value weights, Value columnsOfRow, int64_t part, int64_t numRows, Values sum) const {
  Value begin = code.num(part * stepsOfPart()), end = code.num((part + 1) * stepsOfPart());
  return code.loop(begin, end, 4, sum, [&](Value place, ValueRange carried) {
    Values next(carried);
    Value at = code.at(weights, code.mul(place, tileBytes()));
    Value activations = code.at(columnsOfRow, code.mul(place, 4));
    for (int64_t step = 0; step < 4; ++step) {
      // Else LLVM fetches the activations of all four steps before it multiplies.
      if (isa.lanes == 16)
        activations = code.pinned(activations);
      Values w;
      for (int64_t v = 0; v < kTileVectors; ++v)
        w.push_back(code.load(isPaired ? words() : floats(), code.at(at, step * tileBytes() + v * isa.lanes * 4)));
      for (int64_t r = 0; r < numRows; ++r) {
        Value activation = activationOf(code.at(activations, r * groupBytesOfRow()), step);
        for (int64_t v = 0; v < kTileVectors; ++v)
          next[r * kTileVectors + v] = multiplyAdd(w[v], activation, next[r * kTileVectors + v]);
      }
    }
    return next;
  });
}

/// While blocks are multiplied where they lie, the first tiles of rows fetch those that come then, each a share of
/// them: of the next groups of columns, or of the next panel. The first tile would wait for all of them.
void FloatPanel::fetchNext(const Chunk &chunk, Value group, Value row, int64_t numRows) const {
  constexpr int64_t kShares = 8;
  if (numRows != rowTiles().front())
    return;
  Value end = code.add(chunk.first, chunk.groups), isMore = code.less(end, groups);
  Value from = code.select(isMore, blockAt(end).address, blockAt(next, code.num(0)).address);
  int64_t bytes = groupBytes() / kShares;
  Value share = code.mul(code.min(code.div(row, numRows), code.num(kShares - 1)), bytes);
  code.prefetch(code.at(from, code.add(code.mul(group, groupBytes()), share)), bytes, /*level=*/2);
}

/// `first` is where the tile's first register of weight rows lies among the 32 (in bytes).
void FloatPanel::emitTile(const Chunk &chunk, Value row, int64_t numRows, Value first) const {
  Value results = code.at(code.at(result, code.mul(row, kPanelRows * 4)), first);
  Value weights =
      liesUnpacked() ? blockAt(chunk.first).address : code.at(unpacked, code.mul(first, chunkGroups() * numSteps()));
  auto addressOf = [&](int64_t i) {
    return code.at(results, (i / kTileVectors * kPanelRows + i % kTileVectors * isa.lanes) * 4);
  };
  int64_t numSums = numRows * kTileVectors;
  Values sum;
  if (!weight.isGrouped()) {
    for (int64_t i = 0; i < numSums; ++i)
      sum.push_back(code.load(floats(), addressOf(i)));
    sum = code.loop(code.num(0), chunk.groups, 1, sum, [&](Value group, ValueRange carried) {
      Value columnsOfRow = columnsAt(code.add(chunk.first, group), row);
      if (liesUnpacked())
        fetchNext(chunk, group, row, numRows);
      return emitSteps(code.at(weights, code.mul(group, groupBytes())), columnsOfRow, 0, numRows, Values(carried));
    });
    for (int64_t i = 0; i < numSums; ++i)
      code.store(sum[i], addressOf(i));
    return;
  }
  // Sums are scaled before they are added: results stay in memory meanwhile, for registers are for the sums.
  Value factors = code.at(unpacked, first);
  for (int64_t part = 0; part < parts(); ++part) {
    sum = emitSteps(weights, columnsAt(chunk.first, row), part, numRows, Values(numSums, code.zero(floats())));
    for (int64_t r = 0; r < numRows; ++r) {
      Value ofRow = sumOfRow(chunk.first, code.add(row, r), part);
      // Else LLVM fetches results and factors of all rows, and sums have to wait in memory.
      if (isa.lanes == 16) {
        results = code.pinned(results);
        factors = code.pinned(factors);
      }
      for (int64_t i = r * kTileVectors; i < (r + 1) * kTileVectors; ++i) {
        Value y = code.load(floats(), addressOf(i)), lane = code.at(factors, i % kTileVectors * isa.lanes * 4);
        Value scale = code.load(floats(), code.at(lane, factorsAt(part, false)));
        Value min = weight.min ? code.load(floats(), code.at(lane, factorsAt(part, true))) : Value();
        code.store(finish(y, sum[i], scale, min, ofRow), addressOf(i));
      }
    }
  }
}

/// `to` is where the block's group begins in the chunk.
void FloatPanel::unpack(const Block &block, Value to) const {
  auto storeFactors = [&](Value value, int64_t part, bool isMin, int64_t vector) {
    code.store(value, code.at(unpacked, factorsAt(part, isMin) + vector * isa.lanes * 4));
  };
  for (int64_t v = 0; v < vectors(); ++v)
    for (int64_t part = 0; part < weight.subgroups(); ++part) {
      storeFactors(scaleOf(block, part, v), part, false, v);
      if (weight.min)
        storeFactors(minOf(block, part, v), part, true, v);
    }
  for (int64_t step = 0; step < numSteps(); ++step)
    for (int64_t v = 0; v < vectors(); ++v)
      code.store(weightOf(block, step, v), code.at(to, stepAt(step, v)));
}

void FloatPanel::emitRows() const {
  clearResults();
  code.loop(code.num(0), groups, chunkGroups(), [&](Value firstGroup) {
    Chunk chunk{firstGroup, code.min(code.sub(groups, firstGroup), code.num(chunkGroups()))};
    if (!liesUnpacked())
      code.loop(code.num(0), chunk.groups, 1, [&](Value group) {
        Value number = code.add(firstGroup, group);
        fetchAhead(number, kPrefetchBlocks);
        unpack(blockAt(number), code.at(unpacked, code.mul(group, groupBytes())));
      });
    code.loop(code.num(0), code.num(kPanelRows * 4), kTileVectors * isa.lanes * 4, [&](Value first) {
      Value done = code.num(0);
      for (int64_t tile : rowTiles()) {
        Value end = code.add(done, code.mul(code.div(code.sub(count, done), tile), tile));
        code.loop(done, end, tile, [&](Value row) { emitTile(chunk, row, tile, first); });
        done = end;
      }
    });
  });
}

} // namespace

void emitFloatPanelOfOneRow(const PanelBody &panel) { FloatPanel(panel).emitOneRow(); }
void emitFloatPanelOfRows(const PanelBody &panel) { FloatPanel(panel).emitRows(); }

} // namespace kvasir::cpu
