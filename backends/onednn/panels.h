// SPDX-License-Identifier: MIT
// Linears of many rows: panels of weights, unpacked by generated code and multiplied by the service.
#ifndef KVASIR_BACKENDS_ONEDNN_PANELS_H
#define KVASIR_BACKENDS_ONEDNN_PANELS_H

#include "backends/cpu/linears.h"

namespace kvasir::onednn {

/// The most columns of a panel of this depth, a multiple of 32: one of `elementBytes` an element that stays in a core's
/// second-level cache between being unpacked and being multiplied.
int64_t widestPanel(int64_t depth, int64_t elementBytes);

/// Is a panel in f32 of such weights faster than cpu's kernels, which are as near to the same peak? These scale the sum
/// of each group for each row: where groups have mins or 16 columns, a panel that is scaled once for all rows gains
/// more than it costs.
bool gainsInF32(const cpu::WeightFormat &format);

/// Whether oneDNN gets pairs of bf16: it multiplies them as this machine does it best, be it with AMX, where cpu's own
/// kernels prefer FMAs.
inline bool hasPairedPanels(Activations rounding, const cpu::Isa &isa) {
  return rounding == Activations::bf16 && isa.hasBf16;
}

/// Where the 32 columns of a panel that one block of packed weights holds go: the first 16 to `low`, the others to
/// `high`, and `stepBytes` on from there with each step of K (backends/onednn/runtime/gemm.h).
struct UnpackCall {
  cpu::Value blocks; ///< the first of K / 32
  cpu::Value groups; ///< K / 32
  cpu::Value low, high, stepBytes;
};

/// Emits a call of the shared function that unpacks K x 32 weights: each is scaled, moved and, if `rounding` is bf16,
/// rounded to it. A panel of pairs has bf16 in it, another one f32.
void emitUnpack(cpu::Code &code, mlir::ModuleOp module, const cpu::Isa &isa, const cpu::WeightFormat &weight,
                Activations rounding, const UnpackCall &call);

/// Calls of many rows, where the host offers service number 0, the service has fast products of their shapes, and these
/// are faster than cpu's kernels: those in bf16 from ONEDNN_GEMM_LEAST rows on, those in f32 from ONEDNN_GEMM_LEAST_F32
/// on and only of weights that are scaled, since plain ones cost cpu no unpacking that many rows would not share.
class PanelRows : public cpu::ManyRows {
public:
  cpu::LinearScratch scratch(const cpu::ActivationFormat &format, int64_t columns, int64_t tiles) const override;
  cpu::Value takes(const cpu::Kernel &kernel, const cpu::ActivationFormat &format, const cpu::LinearInput &input,
                   llvm::ArrayRef<cpu::PanelSet> sets) const override;
  void emit(const cpu::Kernel &kernel, const cpu::ActivationFormat &format, const cpu::LinearInput &input,
            llvm::ArrayRef<cpu::PanelSet> sets) const override;
};

} // namespace kvasir::onednn

#endif
