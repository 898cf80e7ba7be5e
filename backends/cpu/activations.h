// SPDX-License-Identifier: MIT
// Activations as the panels of a linear want them: rounded, in groups of 32 columns, group by group.
#ifndef KVASIR_BACKENDS_CPU_ACTIVATIONS_H
#define KVASIR_BACKENDS_CPU_ACTIVATIONS_H

#include "backends/cpu/isa.h"
#include "backends/cpu/weight_format.h"
#include "plugins/activations.h"

namespace kvasir::cpu {

/// What lies in the scratch of M rows of K columns: [K/32][M] groups of 32 columns, then for int8 multipliers (as f32,
/// and as pairs of i16), then sums of each of so many parts of a group, where a weight asks for them (those for zeros
/// with VNNI in i32; without, pairs of i16: of the columns 4j and 4j + 1, and of the others), then for int8 [K/32][M]
/// groups of 32 columns in i16 where a weight asks for them, in pairs (0, 2), (1, 3), (4, 6) …, and the M rows' units
/// in f32. int8 columns are bytes; others f32, or for a machine that multiplies bf16, pairs of them, in one or two
/// arrays of 64 bytes a group in the place of f32's: (0, 1), (2, 3) … where a plain weight asks for them, and (0, 2),
/// (1, 3), (4, 6) … where codes do, as shifting their words leaves them.
///
/// Multipliers and sums are [K/32][parts][M], or of fewer rows than kManyRows, [M][K/32][parts]: lines of the cache
/// that members would share who round a few rows each.
///
/// The scale of a group of int8 is its row's unit times a whole number below 2^15, its multiplier: AVX2 multiplies with
/// it in the instruction that joins 16-bit sums, and the unit is left for the end of a row.
struct ActivationFormat {
  /// Sums of the columns of each of `parts` parts of a group, times -zero.
  struct ZeroSums {
    int64_t zero, parts;
    bool operator==(const ZeroSums &) const = default;
  };

  Activations rounding = Activations::int8;
  SmallVector<ZeroSums> zeros; ///< int8
  SmallVector<int64_t> sums;   ///< in so many parts, the f32 sums of (rounded) columns, for mins; of int8 times the
                               ///< multiplier
  bool hasWords = false;       ///< int8: columns in i16, too
  bool meetsPlain = false, meetsCodes = false; ///< bf16: which pairs a machine that multiplies them shall have

  bool isInt() const { return rounding == Activations::int8; }
  /// Whether columns lie in pairs of bf16.
  bool isPaired(const Isa &isa) const { return rounding == Activations::bf16 && isa.multipliesPairs(); }
  int64_t groupBytes() const { return isInt() ? kBlockColumns : 4 * kBlockColumns; }
  /// Bytes from the start, for each row and group of 32 columns.
  int64_t multipliersAt() const { return groupBytes(); }
  int64_t multiplierPairsAt() const { return multipliersAt() + 4; }
  int64_t zerosAt(ZeroSums zero) const;
  int64_t sumsAt(int64_t parts) const;
  int64_t wordsAt() const;
  int64_t bytesPerGroup() const;
  /// Bytes of a row of K columns.
  int64_t bytesPerRow(int64_t columns) const { return columns / kBlockColumns * bytesPerGroup() + (isInt() ? 4 : 0); }
  std::string name() const;
};

/// Whether dots of such codes are summed in 16 bits, from the sums for their zero on, and multiplied by their group's
/// multiplier while they are integers.
bool scalesWords(const Isa &isa, const WeightFormat &weight);

/// Whether such codes meet the activations' words: AVX2 has no exact dot of bytes that are not narrow.
bool multipliesWords(const Isa &isa, const WeightFormat &weight);

/// What is taken from stored codes: their centre. Signed ones are read with their sign bit turned.
int64_t dotZero(const WeightFormat &weight);

/// Where the pairs for plain weights and for codes begin, for each row and group, and what a row's group has of them.
constexpr int64_t kPlainPairsAt = 0, kCodePairsAt = 64, kPairsBytes = 2 * kBlockColumns;

/// What a weight asks of activations of this rounding.
ActivationFormat activationsFor(const WeightFormat &weight, Activations rounding);

/// A format that serves both, where there is one.
std::optional<ActivationFormat> merged(const ActivationFormat &a, const ActivationFormat &b);

/// A row to be brought into shape: row `row` of `rows`, K columns at `source` in f32.
struct ActivationRow {
  Value source, row, rows, destination;
};

/// Rows from which on multipliers (and sums) of a group lie side by side.
constexpr int64_t kManyRows = 64;

/// Where the multiplier or the sum of part `part` of a row's group lies in its array; `groups` is K / 32.
Value factorAddress(Code &code, Value array, Value groups, Value rows, Value row, Value group, int64_t parts = 1,
                    int64_t part = 0);

/// Where the unit of row `row` of `rows` lies, for int8; `groups` is K / 32.
Value unitAddress(Code &code, const ActivationFormat &format, Value activations, Value groups, Value rows, Value row);

/// 1 / sqrt(mean of squares + epsilon) of `columns` numbers (f32); `sums` are 16 lanes that their squares add up to.
Value inverseRootMean(Code &code, Value sums, Value columns, Value epsilon);

/// Emits to = addend + the row at `source`, scaled to unit root mean square, times `norm`: K columns of f32 each.
void emitNormAdd(Code &code, int64_t columns, Value source, Value norm, double epsilon, Value addend, Value to);

/// Emits a call of the shared function that rounds a row; with `norm` (K f32 weights) it is scaled to unit root mean
/// square first. `columns` is K.
void emitActivationRow(Code &code, mlir::ModuleOp module, const Isa &isa, const ActivationFormat &format,
                       int64_t columns, const ActivationRow &row, Value norm, double epsilon);

} // namespace kvasir::cpu

#endif
