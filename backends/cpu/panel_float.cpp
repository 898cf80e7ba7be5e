// SPDX-License-Identifier: MIT
// Panels in f32: plain weights, and codes where activations keep more bits than int8 has.
#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

constexpr int64_t kPrefetchBlocks = 4;
constexpr int64_t kRowTile = 4;
constexpr int64_t kTileVectors = 2;

/// A column of a block, and the registers of weight rows that hold it.
struct Column {
  int64_t index;
  Values weights;
};

struct FloatPanel : PanelBody {
  explicit FloatPanel(const PanelBody &body) : PanelBody(body) {}

  /// The order in which columns are added: of bf16 pairs the odd one first, as vdpbf16ps does; of packed codes the
  /// pairs that a shift of their words leaves in place, (0, 2) and (1, 3) of four.
  SmallVector<int64_t> order() const {
    SmallVector<int64_t> columns;
    for (int64_t quad = 0; quad < kBlockColumns; quad += 4)
      for (int64_t k : weight.isGrouped()                      ? ArrayRef<int64_t>{2, 0, 3, 1}
                       : weight.codes == ElementType::bf16 ? ArrayRef<int64_t>{1, 0, 3, 2}
                                                           : ArrayRef<int64_t>{0, 1, 2, 3})
        columns.push_back(quad + k);
    return columns;
  }

  /// The weights of column `k` for one register of rows; codes are less their zero.
  Value weightOf(Value block, int64_t k, int64_t vector) const {
    if (weight.isGrouped())
      return codeOf(block, k, vector);
    int64_t at = vector * isa.lanes;
    if (weight.codes != ElementType::bf16)
      return factors(block, weight.codes, k * kPanelRows * elementBits(weight.codes) / 8, vector);
    Value pairs = code.load(words(), code.at(block, (k / 2 * kPanelRows + at) * 4));
    return k % 2 ? highBf16(code, pairs) : lowBf16(code, pairs);
  }

  Value codeOf(Value block, int64_t k, int64_t vector) const {
    bool isU4 = weight.codes == ElementType::u4;
    int64_t j = isU4 ? k % 16 / 4 : k / 4, shift = 8 * (k % 4) + (isU4 && k >= 16 ? 4 : 0);
    Value word = code.load(words(), code.at(block, weight.codesAt() + (j * kPanelRows + vector * isa.lanes) * 4));
    if (weight.codes == ElementType::i8)
      word = code.sar(code.shl(word, 24 - shift), 24);
    else
      word = code.andI(code.shr(word, shift), code.splat(isa.lanes, code.i32, isU4 ? 15 : 255));
    if (weight.zero)
      word = code.subI(word, code.splat(isa.lanes, code.i32, weight.zero));
    return code.toFloat(word);
  }

  /// y, after the sums of one subgroup's columns are scaled; plain weights are summed on y itself.
  Value finish(Value y, Value sum, Value block, int64_t subgroup, int64_t vector, Value sumOfRow) const {
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
    return code.at(columns, code.mul(code.add(code.mul(group, rows), row), 4 * kBlockColumns));
  }

  Value addressOf(Value row, int64_t vector) const {
    return code.at(code.at(result, code.mul(row, kPanelRows * 4)), vector * isa.lanes * 4);
  }

  int64_t parts() const { return std::max<int64_t>(1, weight.subgroups()); }
  int64_t columnsOfPart() const { return kBlockColumns / parts(); }

  void emitOneRow() const;
  void emitRows() const;
  void emitTile(Value block, Value group, Value row, int64_t numRows, int64_t first) const;
};

void FloatPanel::emitOneRow() const {
  Values y = code.loop(code.num(0), groups, 1, Values(vectors(), code.zero(floats())), [&](Value group, ValueRange carried) {
    Value block = code.at(blocks, code.mul(group, weight.blockBytes()));
    prefetchAhead(block, kPrefetchBlocks);
    Value columnsOfRow = columnsAt(group, code.num(0));
    Values next(carried);
    SmallVector<int64_t> inOrder = order();
    for (int64_t part = 0; part < parts(); ++part) {
      Values sum = weight.isGrouped() ? Values(vectors(), code.zero(floats())) : next;
      for (int64_t k : ArrayRef<int64_t>(inOrder).slice(part * columnsOfPart(), columnsOfPart())) {
        Value activation = code.loadSplat(isa.lanes, code.f32, code.at(columnsOfRow, 4 * k));
        for (int64_t v = 0; v < vectors(); ++v)
          sum[v] = code.fma(weightOf(block, k, v), activation, sum[v]);
      }
      for (int64_t v = 0; v < vectors(); ++v)
        next[v] = weight.isGrouped() ? finish(next[v], sum[v], block, part, v, sumOfRow(group, code.num(0), part)) : sum[v];
    }
    return next;
  });
  for (int64_t v = 0; v < vectors(); ++v)
    code.store(y[v], code.at(result, v * isa.lanes * 4));
}

void FloatPanel::emitTile(Value block, Value group, Value row, int64_t numRows, int64_t first) const {
  SmallVector<Values> y(numRows);
  Value columnsOfRow = columnsAt(group, row);
  for (int64_t r = 0; r < numRows; ++r)
    for (int64_t v = 0; v < kTileVectors; ++v)
      y[r].push_back(code.load(floats(), addressOf(code.add(row, r), first + v)));
  SmallVector<int64_t> inOrder = order();
  for (int64_t part = 0; part < parts(); ++part) {
    Values sum;
    for (int64_t r = 0; r < numRows; ++r)
      for (int64_t v = 0; v < kTileVectors; ++v)
        sum.push_back(weight.isGrouped() ? code.zero(floats()) : y[r][v]);
    // Four columns in their order a turn; the unpacked block holds columns in order of addition.
    Value begin = code.num(part * columnsOfPart()), end = code.num((part + 1) * columnsOfPart());
    sum = code.loop(begin, end, 4, sum, [&](Value place, ValueRange carried) {
      Values next(carried);
      Value weights = code.at(unpacked, code.mul(place, kPanelRows * 4));
      Value activations = code.at(columnsOfRow, code.mul(place, 4));
      for (int64_t i = 0; i < 4; ++i) {
        Values w;
        for (int64_t v = 0; v < kTileVectors; ++v)
          w.push_back(code.load(floats(), code.at(weights, (i * kPanelRows + (first + v) * isa.lanes) * 4)));
        for (int64_t r = 0; r < numRows; ++r) {
          Value activation =
              code.loadSplat(isa.lanes, code.f32, code.at(activations, 4 * (inOrder[i] + r * kBlockColumns)));
          for (int64_t v = 0; v < kTileVectors; ++v)
            next[r * kTileVectors + v] = code.fma(w[v], activation, next[r * kTileVectors + v]);
        }
      }
      return next;
    });
    for (int64_t r = 0; r < numRows; ++r) {
      Value rowSum = sumOfRow(group, code.add(row, r), part);
      for (int64_t v = 0; v < kTileVectors; ++v) {
        Value of = sum[r * kTileVectors + v];
        y[r][v] = weight.isGrouped() ? finish(y[r][v], of, block, part, first + v, rowSum) : of;
      }
    }
  }
  for (int64_t r = 0; r < numRows; ++r)
    for (int64_t v = 0; v < kTileVectors; ++v)
      code.store(y[r][v], addressOf(code.add(row, r), first + v));
}

void FloatPanel::emitRows() const {
  code.loop(code.num(0), code.mul(count, vectors()), 1, [&](Value line) {
    code.store(code.zero(floats()), code.at(result, code.mul(line, isa.lanes * 4)));
  });
  code.loop(code.num(0), groups, 1, [&](Value group) {
    Value block = code.at(blocks, code.mul(group, weight.blockBytes()));
    prefetchAhead(block, kPrefetchBlocks);
    int64_t place = 0;
    for (int64_t k : order()) {
      for (int64_t v = 0; v < vectors(); ++v)
        code.store(weightOf(block, k, v), code.at(unpacked, (place * kPanelRows + v * isa.lanes) * 4));
      ++place;
    }
    Value whole = code.mul(code.div(count, kRowTile), kRowTile);
    for (int64_t first = 0; first < vectors(); first += kTileVectors) {
      code.loop(code.num(0), whole, kRowTile, [&](Value row) { emitTile(block, group, row, kRowTile, first); });
      code.loop(whole, count, 1, [&](Value row) { emitTile(block, group, row, 1, first); });
    }
  });
}

} // namespace

void emitFloatPanelOfOneRow(const PanelBody &panel) { FloatPanel(panel).emitOneRow(); }
void emitFloatPanelOfRows(const PanelBody &panel) { FloatPanel(panel).emitRows(); }

} // namespace kvasir::cpu
