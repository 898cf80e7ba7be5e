// SPDX-License-Identifier: MIT
// What the integer and the float panels share.
#ifndef KVASIR_BACKENDS_CPU_PANEL_BODY_H
#define KVASIR_BACKENDS_CPU_PANEL_BODY_H

#include "backends/cpu/panel.h"

namespace kvasir::cpu {

/// Where a block lies, and the units of its scales and mins, if it has some. Its registers of rows are counted from
/// `vector` on, which is null for the first.
struct Block {
  Value address, units, vector = {};
};

/// The arguments of a panel's function. The arrays of activations begin at the first row that is taken.
struct PanelBody {
  Code &code;
  const Isa &isa;
  const WeightFormat &weight;
  bool isPaired; ///< columns are pairs of bf16
  Value blocks, groups, columns, multipliers, zeros, sums, rows, count, result, unpacked, next;

  int64_t vectors() const { return kPanelRows / isa.lanes; }
  Type floats() const { return code.vec(isa.lanes, code.f32); }
  Type words() const { return code.vec(isa.lanes, code.i32); }

  /// The block of 32 columns whose number is `group`, of this panel or of the one at `panel`.
  Block blockAt(Value group) const { return blockAt(blocks, group); }
  Block blockAt(Value panel, Value group) const;
  /// Where register `vector` of a line of elements of `bytes` bytes lies that begins at `line`.
  Value registerAt(const Block &block, Value line, int64_t bytes, int64_t vector) const;
  /// The scales (or mins; null if there are none) of a register of rows, as f32.
  Value scaleOf(const Block &block, int64_t subgroup, int64_t vector) const;
  Value minOf(const Block &block, int64_t subgroup, int64_t vector) const;
  /// The words that hold quad `quad` of columns, or the lowest bits of it, and how far up its first code lies.
  std::pair<Value, int64_t> wordsOf(const Block &block, int64_t quad, int64_t vector) const;
  /// Quad `quad` of columns of packed codes, a byte each.
  Value packedQuad(const Block &block, int64_t quad, int64_t vector) const;
  /// The codes of a column, `bits` up from the first of its quad, less their zero, as i32.
  Value codeOf(const Block &block, int64_t quad, int64_t bits, int64_t vector) const;
  /// Pair `pair` of columns of bf16 weights, the even one low.
  Value plainPairs(const Block &block, int64_t pair, int64_t vector) const;
  /// A column of weights as f32: as they are, or their codes less their zero.
  Value columnOf(const Block &block, int64_t column, int64_t vector) const;
  Value splatBytes(int64_t byte) const;
  /// Where a row has what belongs to a subgroup's columns in one of the arrays.
  Value factorAt(Value array, Value group, Value row, int64_t subgroup) const {
    return factorAddress(code, array, groups, rows, row, group, weight.subgroups(), subgroup);
  }
  /// Every row's results begin at zero.
  void clearResults() const;
  /// Fetches the block that comes `distance` blocks after block `group`, of this panel or of the next one.
  void fetchAhead(Value group, int64_t distance) const;
  /// The same for one row, which streams through the weights: the AVX2 code leaves that to the machine, whose own
  /// prefetching fetches by others hold up.
  void fetchStream(Value group, int64_t distance) const {
    if (isa.lanes == 16)
      fetchAhead(group, distance);
  }

private:
  /// A register of the block's numbers in memory, as f32.
  Value numbers(const Block &block, Value line, ElementType element, int64_t vector) const;
  /// The words of a plane that has `width` bits of each code, 8 / width quads a word, and how far up quad `quad` lies.
  std::pair<Value, int64_t> planeOf(const Block &block, int64_t at, int64_t width, int64_t quad, int64_t vector) const;
  Value highBitsOf(const Block &block, int64_t quad, int64_t vector) const;
};

/// Emit the bodies.
void emitIntPanelOfOneRow(const PanelBody &panel);
void emitIntPanelOfRows(const PanelBody &panel);
void emitFloatPanelOfOneRow(const PanelBody &panel);
void emitFloatPanelOfRows(const PanelBody &panel);

} // namespace kvasir::cpu

#endif
