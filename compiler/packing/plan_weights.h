// SPDX-License-Identifier: MIT
// Decides how and where the weights of a program lie in the plugin's file.
#ifndef KVASIR_PACKING_PLAN_WEIGHTS_H
#define KVASIR_PACKING_PLAN_WEIGHTS_H

#include "compiler/dialects/lm/dialect.h"
#include "compiler/packing/packer.h"
#include "plugins/tensors.h"

namespace kvasir {

/// Says how one layer of a weight is packed, given the ops that use it (wherever they stand, in groups too).
using ChooseLayout = llvm::function_ref<Layout(lm::WeightOp weight, llvm::ArrayRef<mlir::Operation *> users)>;

/// Gives each lm.weight its layout, offset and stride: families one after the other in the module's order, every layer
/// on a 64-byte border. A weight that many ops use has one copy. Afterwards all ops may be lowered in any order.
/// Returns the bytes of all weights; fails, with a diagnostic at the weight, on a layout that can't be packed.
mlir::FailureOr<uint64_t> planWeights(mlir::ModuleOp module, ChooseLayout choose);

/// The planned weights of a module, for packWeights and fingerprint.
std::vector<PackedWeight> packedWeights(mlir::ModuleOp module);

/// The same for the plugin's section "tensors".
std::vector<WeightTensor> weightTensors(mlir::ModuleOp module);

/// The layout that everything can read: planes of whole elements, rows one after the other. Codes of less than a byte
/// have one each.
Layout plainLayout(lm::WeightType type);

} // namespace kvasir

#endif
