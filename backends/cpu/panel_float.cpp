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
  Value weightOf(Value block, int64_t step, int64_t vector) const {
    if (isPaired)
      return weight.isGrouped() ? codePairs(block, step, vector) : plainPairs(block, step, vector);
    int64_t column = step / 4 * 4 + order()[step % 4];
    if (weight.isGrouped())
      return code.toFloat(codeOf(block, column / 4, 8 * (column % 4), vector));
    if (weight.codes != ElementType::bf16)
      return factors(block, weight.codes, column * kPanelRows * elementBits(weight.codes) / 8, vector);
    Value pairs = plainPairs(block, column / 2, vector);
    return column % 2 ? highBf16(code, pairs) : lowBf16(code, pairs);
  }

  Value plainPairs(Value block, int64_t pair, int64_t vector) const {
    return code.load(words(), code.at(block, (pair * kPanelRows + vector * isa.lanes) * 4));
  }

  bool isU4() const { return weight.codes == ElementType::u4; }

  /// The words that hold quad `quad` of columns, and how far up its first code lies.
  std::pair<Value, int64_t> wordsOf(Value block, int64_t quad, int64_t vector) const {
    int64_t j = isU4() ? quad % 4 : quad;
    Value word = code.load(words(), code.at(block, weight.codesAt() + (j * kPanelRows + vector * isa.lanes) * 4));
    return {word, isU4() && quad >= 4 ? 4 : 0};
  }

  /// The code `bits` up from the first of a quad, less its zero, as i32.
  Value codeOf(Value block, int64_t quad, int64_t bits, int64_t vector) const {
    auto [word, first] = wordsOf(block, quad, vector);
    if (weight.codes == ElementType::i8)
      word = code.sar(code.shl(word, 24 - bits), 24);
    else
      word = code.andI(code.shr(word, first + bits), code.splat(isa.lanes, code.i32, isU4() ? 15 : 255));
    return weight.zero ? code.subI(word, code.splat(isa.lanes, code.i32, weight.zero)) : word;
  }

  /// Codes of up to 8 bits are exact in bf16: the columns (4q, 4q + 2) or (4q + 1, 4q + 3).
  Value codePairs(Value block, int64_t step, int64_t vector) const {
    int64_t quad = step / 2, bits = 8 * (step % 2);
    if (isU4() && !isa.isEmulated)
      return lookUp(block, quad, bits, vector);
    Value low = code.bitcast(code.toFloat(codeOf(block, quad, bits, vector)), words());
    Value high = code.bitcast(code.toFloat(codeOf(block, quad, bits + 16, vector)), words());
    return code.orI(code.shr(low, 16), code.andI(high, code.splat(isa.lanes, code.i32, int32_t(0xffff0000))));
  }

  /// Nibbles by vpermw, which looks at five bits: the table has the sixteen values twice.
  Value lookUp(Value block, int64_t quad, int64_t bits, int64_t vector) const {
    auto [word, first] = wordsOf(block, quad, vector);
    SmallVector<int16_t> values;
    for (int64_t i = 0; i < 32; ++i)
      values.push_back(int16_t(llvm::bit_cast<uint32_t>(float(i % 16 - weight.zero)) >> 16));
    auto type = cast<VectorType>(code.vec(2 * isa.lanes, code.i16));
    Value table = code.builder().create<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<int16_t>(values)));
    Value index = code.bitcast(first + bits ? code.shr(word, first + bits) : word, type);
    return code.bitcast(code.intrinsic("llvm.x86.avx512.permvar.hi.512", type, {table, index}), words());
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
  Value finish(Value y, Value sum, Value block, int64_t subgroup, int64_t vector, Value sumOfRow) const {
    if (!weight.isGrouped())
      return sum;
    y = code.fma(sum, factors(block, weight.scale, weight.scaleAt(subgroup), vector), y);
    if (weight.min)
      y = code.fma(factors(block, *weight.min, weight.minAt(subgroup), vector), sumOfRow, y);
    return y;
  }

  Value sumOfRow(Value group, Value row, int64_t subgroup) const {
    if (!weight.min)
      return {};
    Value line = code.add(code.mul(group, weight.subgroups()), subgroup);
    return code.loadSplat(isa.lanes, code.f32, code.at(sums, code.mul(code.add(code.mul(line, rows), row), 4)));
  }

  Value columnsAt(Value group, Value row) const {
    Value at = code.at(columns, code.mul(code.add(code.mul(group, rows), row), 4 * kBlockColumns));
    return isPaired && weight.isGrouped() ? code.at(at, kCodePairsAt) : at;
  }

  Value addressOf(Value row, int64_t vector) const {
    return code.at(code.at(result, code.mul(row, kPanelRows * 4)), vector * isa.lanes * 4);
  }

  /// Rows of a tile, the largest first: vdpbf16ps takes sixteen sums to keep busy.
  SmallVector<int64_t> rowTiles() const {
    return isPaired ? SmallVector<int64_t>{8, 4, 1} : SmallVector<int64_t>{4, 1};
  }

  void emitOneRow() const;
  void emitRows() const;
  void emitTile(Value block, Value group, Value row, int64_t numRows, int64_t first) const;
  Values emitSteps(Value columnsOfRow, int64_t part, int64_t numRows, int64_t first, Values sum) const;
};

void FloatPanel::emitOneRow() const {
  Values y =
      code.loop(code.num(0), groups, 1, Values(vectors(), code.zero(floats())), [&](Value group, ValueRange carried) {
        Value block = code.at(blocks, code.mul(group, weight.blockBytes()));
        prefetchStream(block, kPrefetchBlocks);
        Value columnsOfRow = columnsAt(group, code.num(0));
        Values next(carried);
        for (int64_t part = 0; part < parts(); ++part) {
          Values sum = weight.isGrouped() ? Values(vectors(), code.zero(floats())) : next;
          for (int64_t step = part * stepsOfPart(); step < (part + 1) * stepsOfPart(); ++step) {
            Value activation = activationOf(columnsOfRow, step);
            for (int64_t v = 0; v < vectors(); ++v)
              sum[v] = multiplyAdd(weightOf(block, step, v), activation, sum[v]);
          }
          for (int64_t v = 0; v < vectors(); ++v)
            next[v] = finish(next[v], sum[v], block, part, v, sumOfRow(group, code.num(0), part));
        }
        return next;
      });
  for (int64_t v = 0; v < vectors(); ++v)
    code.store(y[v], code.at(result, v * isa.lanes * 4));
}

/// Four steps a turn; the unpacked block holds steps in their order.
Values FloatPanel::emitSteps(Value columnsOfRow, int64_t part, int64_t numRows, int64_t first, Values sum) const {
  Value begin = code.num(part * stepsOfPart()), end = code.num((part + 1) * stepsOfPart());
  return code.loop(begin, end, 4, sum, [&](Value place, ValueRange carried) {
    Values next(carried);
    Value weights = code.at(unpacked, code.mul(place, kPanelRows * 4));
    Value activations = code.at(columnsOfRow, code.mul(place, 4));
    for (int64_t step = 0; step < 4; ++step) {
      Values w;
      for (int64_t v = 0; v < kTileVectors; ++v)
        w.push_back(code.load(isPaired ? words() : floats(),
                              code.at(weights, (step * kPanelRows + (first + v) * isa.lanes) * 4)));
      for (int64_t r = 0; r < numRows; ++r) {
        Value activation = activationOf(code.at(activations, 4 * r * kBlockColumns), step);
        for (int64_t v = 0; v < kTileVectors; ++v)
          next[r * kTileVectors + v] = multiplyAdd(w[v], activation, next[r * kTileVectors + v]);
      }
    }
    return next;
  });
}

void FloatPanel::emitTile(Value block, Value group, Value row, int64_t numRows, int64_t first) const {
  auto addressOfSum = [&](int64_t i) { return addressOf(code.add(row, i / kTileVectors), first + i % kTileVectors); };
  Value columnsOfRow = columnsAt(group, row);
  for (int64_t part = 0; part < parts(); ++part) {
    // Where sums are scaled before they are added, results stay in memory meanwhile: registers are for the sums.
    Values sum;
    for (int64_t i = 0; i < numRows * kTileVectors; ++i)
      sum.push_back(weight.isGrouped() ? code.zero(floats()) : code.load(floats(), addressOfSum(i)));
    sum = emitSteps(columnsOfRow, part, numRows, first, sum);
    for (int64_t r = 0; r < numRows; ++r) {
      Value ofRow = sumOfRow(group, code.add(row, r), part);
      for (int64_t i = r * kTileVectors; i < (r + 1) * kTileVectors; ++i) {
        Value y = weight.isGrouped() ? code.load(floats(), addressOfSum(i)) : sum[i];
        code.store(finish(y, sum[i], block, part, first + i % kTileVectors, ofRow), addressOfSum(i));
      }
    }
  }
}

void FloatPanel::emitRows() const {
  code.loop(code.num(0), code.mul(count, vectors()), 1,
            [&](Value line) { code.store(code.zero(floats()), code.at(result, code.mul(line, isa.lanes * 4))); });
  code.loop(code.num(0), groups, 1, [&](Value group) {
    Value block = code.at(blocks, code.mul(group, weight.blockBytes()));
    prefetchAhead(block, kPrefetchBlocks);
    for (int64_t step = 0; step < numSteps(); ++step)
      for (int64_t v = 0; v < vectors(); ++v)
        code.store(weightOf(block, step, v), code.at(unpacked, (step * kPanelRows + v * isa.lanes) * 4));
    for (int64_t first = 0; first < vectors(); first += kTileVectors) {
      Value done = code.num(0);
      for (int64_t tile : rowTiles()) {
        Value end = code.add(done, code.mul(code.div(code.sub(count, done), tile), tile));
        code.loop(done, end, tile, [&](Value row) { emitTile(block, group, row, tile, first); });
        done = end;
      }
    }
  });
}

} // namespace

void emitFloatPanelOfOneRow(const PanelBody &panel) { FloatPanel(panel).emitOneRow(); }
void emitFloatPanelOfRows(const PanelBody &panel) { FloatPanel(panel).emitRows(); }

} // namespace kvasir::cpu
