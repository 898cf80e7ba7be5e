// SPDX-License-Identifier: MIT
// Panels whose dots are exact integers: unsigned codes of up to 8 bits times int8 activations.
#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// Blocks ahead that weights are fetched. Distances of 4 to 12 measured equal; none costs AVX-512 10 %.
constexpr int64_t kPrefetchBlocks = 8;

/// One step of a dot: four unsigned codes a lane against one quad (4 bytes) of activations. Codes wider than the
/// machine's dot takes are two steps of words: the even columns of a quad, and the odd ones.
struct Step {
  int64_t quad;
  bool isOdd;
};

struct IntPanel : PanelBody {
  explicit IntPanel(const PanelBody &body) : PanelBody(body) {}

  bool isU4() const { return weight.codes == ElementType::u4; }
  bool isOfWords() const { return multipliesWords(isa, weight.codes); }
  int64_t zero() const { return weight.zero + (weight.codes == ElementType::i8 && !isOfWords() ? 128 : 0); }
  int64_t loads() const { return isU4() ? 4 : 8; }
  int64_t subgroupOf(int64_t quad) const { return quad * 4 / weight.group; }
  int64_t numSteps() const { return isOfWords() ? 16 : 8; }

  /// The steps that the codes of load `j` give.
  SmallVector<Step> stepsOf(int64_t j) const {
    if (isU4())
      return {{j, false}, {4 + j, false}};
    if (isOfWords())
      return {{j, false}, {j, true}};
    return {{j, false}};
  }

  /// The codes of load `j` for one register of rows, one vector a step.
  Values codesOf(Value block, int64_t j, int64_t vector) const {
    Value word = code.load(words(), code.at(block, weight.codesAt() + (j * kPanelRows + vector * isa.lanes) * 4));
    if (isOfWords())
      return wordsOf(word);
    if (isU4()) {
      Value nibbles = code.splat(isa.lanes, code.i32, 0x0f0f0f0f);
      return {code.andI(word, nibbles), code.andI(code.shr(word, 4), nibbles)};
    }
    return {weight.codes == ElementType::i8 ? flipSigns(word) : word};
  }

  /// The even and the odd bytes of a register, as i16.
  Values wordsOf(Value bytes) const {
    Value pairs = code.bitcast(bytes, code.vec(2 * isa.lanes, code.i16));
    bool isSigned = weight.codes == ElementType::i8;
    Value even =
        isSigned ? code.sar(code.shl(pairs, 8), 8) : code.andI(pairs, code.splat(2 * isa.lanes, code.i16, 255));
    return {even, isSigned ? code.sar(pairs, 8) : code.shr(pairs, 8)};
  }

  Value flipSigns(Value word) const {
    Value signs = code.splat(isa.lanes, code.i32, int32_t(0x80808080));
    return code.builder().create<arith::XOrIOp>(word, signs);
  }

  /// The activations of a step.
  Value quadOf(Value columnsOfRow, Step step) const {
    int64_t at = isOfWords() ? step.quad * 8 + step.isOdd * 4 : step.quad * 4;
    return code.loadSplat(isa.lanes, code.i32, code.at(columnsOfRow, at));
  }
  int64_t bytesOfColumns() const { return isOfWords() ? 2 * kBlockColumns : kBlockColumns; }

  /// Sums of one row and one register of weight rows, for each subgroup.
  struct Sums {
    SmallVector<Value, 2> values;
  };
  Sums noSums() const { return {SmallVector<Value, 2>(weight.subgroups())}; }

  void step(Sums &sum, Step step, Value codes, Value quad) const {
    Value &slot = sum.values[subgroupOf(step.quad)];
    slot = isOfWords() ? isa.dotWords(code, slot, codes, quad) : isa.dot(code, slot, codes, quad);
  }

  void pin(Sums &sum, Step step) const {
    if (isa.isEmulated) // wider than this machine's registers
      return;
    Value &slot = sum.values[subgroupOf(step.quad)];
    slot = code.pinned(slot);
  }

  /// What the row's group multiplies with: one splat an array and subgroup.
  struct RowFactors {
    Value multiplier;
    Values zeros, sums;
  };

  /// The dot of one subgroup times the row's multiplier.
  Value total(const Sums &sum, int64_t subgroup, const RowFactors &row) const {
    bool isScaled = scalesWords(isa, weight.codes);
    Value dot = sum.values[subgroup];
    if (!isOfWords())
      dot = isa.dotTotal(code, dot, isScaled ? row.multiplier : Value());
    if (zero())
      dot = code.addI(dot, row.zeros[subgroup]);
    return isScaled ? code.toFloat(dot) : code.mulF(code.toFloat(dot), row.multiplier);
  }

  RowFactors rowFactors(Value group, Value row) const {
    RowFactors of;
    auto at = [&](Value array, Type type, int64_t subgroup, int64_t parts) {
      Value line = code.add(code.mul(group, parts), subgroup);
      return code.loadSplat(isa.lanes, type, code.at(array, code.mul(code.add(code.mul(line, rows), row), 4)));
    };
    of.multiplier = at(multipliers, scalesWords(isa, weight.codes) ? code.i32 : code.f32, 0, 1);
    for (int64_t s = 0; s < weight.subgroups(); ++s) {
      if (zero())
        of.zeros.push_back(at(zeros, code.i32, s, weight.subgroups()));
      if (weight.min)
        of.sums.push_back(at(PanelBody::sums, code.f32, s, weight.subgroups()));
    }
    return of;
  }

  struct Factors {
    Values scales, mins;
  };

  Factors factorsOf(Value block, int64_t vector) const {
    Factors of;
    for (int64_t s = 0; s < weight.subgroups(); ++s) {
      of.scales.push_back(factors(block, weight.scale, weight.scaleAt(s), vector));
      if (weight.min)
        of.mins.push_back(factors(block, *weight.min, weight.minAt(s), vector));
    }
    return of;
  }

  /// Where the unpacked scales (or mins) of a register of rows are.
  Value unpackedFactorAt(int64_t subgroup, bool isMin, int64_t vector) const {
    int64_t line = numSteps() + 2 * subgroup + isMin;
    return code.at(unpacked, (line * kPanelRows + vector * isa.lanes) * 4);
  }

  Factors unpackedFactors(int64_t vector) const {
    Factors of;
    for (int64_t s = 0; s < weight.subgroups(); ++s) {
      of.scales.push_back(code.load(floats(), unpackedFactorAt(s, false, vector)));
      if (weight.min)
        of.mins.push_back(code.load(floats(), unpackedFactorAt(s, true, vector)));
    }
    return of;
  }

  Value finish(Value y, const Sums &sum, const Factors &factors, const RowFactors &row) const {
    for (int64_t s = 0; s < weight.subgroups(); ++s) {
      if (weight.min)
        y = code.fma(factors.mins[s], row.sums[s], y);
      y = code.fma(total(sum, s, row), factors.scales[s], y);
    }
    return y;
  }

  Value columnsAt(Value group, Value row) const {
    return code.at(columns, code.mul(code.add(code.mul(group, rows), row), bytesOfColumns()));
  }

  void emitOneRow() const;
  void emitRows() const;
  void unpack(Value block) const;
  void emitGroup(Value group, bool isFirst) const;
  void emitTile(Value block, Value group, bool isFirst, Value row, int64_t numRows, int64_t first, int64_t numVectors,
                ArrayRef<Values> codes) const;

  /// Whether registers hold all codes of a block; else they are unpacked once to the first-level cache.
  bool keepsCodes() const { return isa.lanes == 16; }
  /// Rows and registers of weight rows of a tile. Without VNNI eight sums leave registers for codes, a quad of
  /// activations and products; wide tiles load fewer quads (2 x 4 measured 3 % above 4 x 2).
  int64_t tileRows() const { return keepsCodes() ? 4 : 2; }
  int64_t tileVectors() const { return keepsCodes() ? vectors() : 4 / weight.subgroups(); }
};

void IntPanel::emitOneRow() const {
  Values y =
      code.loop(code.num(0), groups, 1, Values(vectors(), code.zero(floats())), [&](Value group, ValueRange carried) {
        Value block = code.at(blocks, code.mul(group, weight.blockBytes()));
        prefetchStream(block, kPrefetchBlocks);
        Value columnsOfRow = columnsAt(group, code.num(0));
        SmallVector<Sums> sum(vectors(), noSums());
        for (int64_t j = 0; j < loads(); ++j) {
          SmallVector<Step> steps = stepsOf(j);
          Values quads;
          for (Step step : steps)
            quads.push_back(quadOf(columnsOfRow, step));
          for (int64_t v = 0; v < vectors(); ++v) {
            Values codes = codesOf(block, j, v);
            for (size_t s = 0; s < steps.size(); ++s)
              step(sum[v], steps[s], codes[s], quads[s]);
          }
        }
        RowFactors row = rowFactors(group, code.num(0));
        Values next;
        for (int64_t v = 0; v < vectors(); ++v)
          next.push_back(finish(carried[v], sum[v], factorsOf(block, v), row));
        return next;
      });
  for (int64_t v = 0; v < vectors(); ++v)
    code.store(y[v], code.at(result, v * isa.lanes * 4));
}

/// `codes` [step][vector of the tile], or empty where they were unpacked to memory. Results begin at zero in the first
/// group.
void IntPanel::emitTile(Value block, Value group, bool isFirst, Value row, int64_t numRows, int64_t first,
                        int64_t numVectors, ArrayRef<Values> codes) const {
  SmallVector<SmallVector<Sums>> sum(numRows, SmallVector<Sums>(numVectors, noSums()));
  Value columnsOfRow = columnsAt(group, row);
  int64_t index = 0;
  for (int64_t j = 0; j < loads(); ++j)
    for (Step s : stepsOf(j)) {
      Values word;
      for (int64_t v = 0; v < numVectors; ++v)
        word.push_back(codes.empty()
                           ? code.load(words(), code.at(unpacked, (index * kPanelRows + (first + v) * isa.lanes) * 4))
                           : codes[index][v]);
      for (int64_t r = 0; r < numRows; ++r) {
        Value quad = quadOf(code.at(columnsOfRow, r * bytesOfColumns()), s);
        for (int64_t v = 0; v < numVectors; ++v) {
          step(sum[r][v], s, word[v], quad);
          // Else LLVM adds products in trees and loads quads ahead, for which there are no registers.
          pin(sum[r][v], s);
        }
      }
      ++index;
    }
  // Results that are fetched while sums are in the making take their registers.
  Value rowOfResult = code.at(result, code.mul(row, kPanelRows * 4));
  for (int64_t r = 0; r < numRows; ++r) {
    RowFactors of = rowFactors(group, code.add(row, r));
    rowOfResult = code.pinned(rowOfResult);
    for (int64_t v = 0; v < numVectors; ++v) {
      Value address = code.at(rowOfResult, (r * kPanelRows + (first + v) * isa.lanes) * 4);
      // Factors that a tile has no registers left for are read again for each row.
      Factors factors = keepsCodes() ? factorsOf(block, first + v) : unpackedFactors(first + v);
      Value y = isFirst ? code.zero(floats()) : code.load(floats(), address);
      code.store(finish(y, sum[r][v], factors, of), address);
    }
  }
}

void IntPanel::unpack(Value block) const {
  for (int64_t v = 0; v < vectors(); ++v) {
    for (int64_t j = 0, index = 0; j < loads(); ++j)
      for (Value word : codesOf(block, j, v))
        code.store(word, code.at(unpacked, (index++ * kPanelRows + v * isa.lanes) * 4));
    Factors of = factorsOf(block, v);
    for (int64_t s = 0; s < weight.subgroups(); ++s) {
      code.store(of.scales[s], unpackedFactorAt(s, false, v));
      if (weight.min)
        code.store(of.mins[s], unpackedFactorAt(s, true, v));
    }
  }
}

void IntPanel::emitGroup(Value group, bool isFirst) const {
  Value block = code.at(blocks, code.mul(group, weight.blockBytes()));
  prefetchAhead(block, kPrefetchBlocks);
  SmallVector<Values> codes(keepsCodes() ? numSteps() : 0);
  if (!keepsCodes())
    unpack(block);
  for (int64_t v = 0; keepsCodes() && v < vectors(); ++v)
    for (int64_t j = 0, index = 0; j < loads(); ++j)
      for (Value word : codesOf(block, j, v))
        codes[index++].push_back(word);
  Value whole = code.mul(code.div(count, tileRows()), tileRows());
  for (int64_t first = 0; first < vectors(); first += tileVectors()) {
    auto tiles = [&](Value begin, Value end, int64_t numRows) {
      code.loop(begin, end, numRows,
                [&](Value row) { emitTile(block, group, isFirst, row, numRows, first, tileVectors(), codes); });
    };
    tiles(code.num(0), whole, tileRows());
    tiles(whole, count, 1);
  }
}

void IntPanel::emitRows() const {
  emitGroup(code.num(0), /*isFirst=*/true);
  code.loop(code.num(1), groups, 1, [&](Value group) { emitGroup(group, /*isFirst=*/false); });
}

} // namespace

void emitIntPanelOfOneRow(const PanelBody &panel) { IntPanel(panel).emitOneRow(); }
void emitIntPanelOfRows(const PanelBody &panel) { IntPanel(panel).emitRows(); }

} // namespace kvasir::cpu
