// SPDX-License-Identifier: MIT
// The micro-kernels of a linear: one panel of 32 rows of a weight times one or many rows of activations.
#ifndef KVASIR_BACKENDS_CPU_PANEL_H
#define KVASIR_BACKENDS_CPU_PANEL_H

#include "backends/cpu/activations.h"

namespace kvasir::cpu {

/// Bytes of a member's scratch that a panel of many rows unpacks blocks into: four in f32.
constexpr int64_t kUnpackedBytes = 16384;

/// A panel, and the activations of M rows of which `count` from `firstRow` on are taken.
struct PanelCall {
  Value weight; ///< the panel's first block
  Value groups; ///< K / 32
  Value activations, firstRow, rows, count;
  Value result;   ///< [count][32] f32; of int8 activations still to be multiplied by the rows' units
  Value unpacked; ///< kUnpackedBytes of scratch; unused for one row
  Value next;     ///< the panel that comes then: its first blocks are fetched with this one's last
};

/// Emits calls of the shared functions that compute a panel. Every output is one sequence over the groups of K, the
/// same for one row and for many: y = fma(dot, scale, y), then fma(min, sum, y). Of int8 the min comes first, for it is
/// known before the dot is, and dots are multiplied by the group's multiplier; what takes the result multiplies it by
/// the row's unit.
void emitPanelOfOneRow(Code &code, mlir::ModuleOp module, const Isa &isa, const WeightFormat &weight,
                       const ActivationFormat &activations, const PanelCall &call);
void emitPanelOfRows(Code &code, mlir::ModuleOp module, const Isa &isa, const WeightFormat &weight,
                     const ActivationFormat &activations, const PanelCall &call);

} // namespace kvasir::cpu

#endif
