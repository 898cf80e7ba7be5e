// SPDX-License-Identifier: MIT
// Layers that a package has written out one by one, as one body in a loop.
#ifndef KVASIR_MODELS_MIL_RAISED_ROLL_LAYERS_H
#define KVASIR_MODELS_MIL_RAISED_ROLL_LAYERS_H

#include "compiler/models/mil/package_weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir::mil {

/// Layers of a function that differ in their numbers and their weights alone become one kv.loop, as those of a model
/// whose graph is built from its configuration. `attentions`: the ops that make them, one a layer, in the function's
/// block. Weights that differ become one family, for all functions of the module. Leaves a function as it is, but for
/// what its ops have in common, where it has no such layers.
void rollLayers(mlir::func::FuncOp function, llvm::ArrayRef<mlir::Operation *> attentions, PackageWeights &weights);

} // namespace kvasir::mil

#endif
