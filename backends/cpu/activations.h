// SPDX-License-Identifier: MIT
// Activations as the panels of a linear want them: rounded, in groups of 32 columns, group by group.
#ifndef KVASIR_BACKENDS_CPU_ACTIVATIONS_H
#define KVASIR_BACKENDS_CPU_ACTIVATIONS_H

#include "backends/cpu/isa.h"
#include "backends/cpu/weight_format.h"

namespace kvasir::cpu {

/// How activations are rounded before they meet a weight.
enum class Rounding { int8, bf16, none };

/// What lies in the scratch of M rows of K columns: [K/32][M] groups of 32 columns, then for int8 [K/32][M] f32
/// scales, then [K/32][subgroups][M] sums, each where a weight asks for it. int8 columns are bytes; others f32, or for
/// a machine that multiplies bf16, pairs of them: (0, 1), (2, 3) … for plain weights, and behind these (0, 2), (1, 3),
/// (4, 6) … for codes, as shifting the words of codes leaves them.
struct ActivationFormat {
  Rounding rounding = Rounding::int8;
  int64_t subgroups = 1;      ///< in how many parts of a group sums are taken
  SmallVector<int64_t> zeros; ///< int8: for each, the i32 sums of columns, times -zero
  bool hasSums = false;       ///< the f32 sums of (rounded) columns, for mins

  bool isInt() const { return rounding == Rounding::int8; }
  /// Whether columns lie in pairs of bf16.
  bool isPaired(const Isa &isa) const { return rounding == Rounding::bf16 && isa.hasBf16; }
  int64_t groupBytes() const { return isInt() ? kBlockColumns : 4 * kBlockColumns; }
  /// Bytes from the start, for each row and group of 32 columns.
  int64_t scalesAt() const { return groupBytes(); }
  int64_t zerosAt(int64_t zero) const;
  int64_t sumsAt() const;
  int64_t bytesPerGroup() const;
  std::string name() const;
};

/// Where the pairs for codes begin in a group.
constexpr int64_t kCodePairsAt = 64;

/// What a weight asks of activations of this rounding.
ActivationFormat activationsFor(const WeightFormat &weight, Rounding rounding);

/// A format that serves both, where there is one.
std::optional<ActivationFormat> merged(const ActivationFormat &a, const ActivationFormat &b);

/// A row to be brought into shape: row `row` of `rows`, K columns at `source` in f32.
struct ActivationRow {
  Value source, row, rows, destination;
};

/// Emits a call of the shared function that rounds a row; with `norm` (K f32 weights) it is scaled to unit root mean
/// square first. `columns` is K.
void emitActivationRow(Code &code, mlir::ModuleOp module, const Isa &isa, const ActivationFormat &format,
                       int64_t columns, const ActivationRow &row, Value norm, double epsilon);

} // namespace kvasir::cpu

#endif
