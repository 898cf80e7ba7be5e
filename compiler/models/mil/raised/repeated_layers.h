// SPDX-License-Identifier: MIT
// Layers that a function has written out one by one, found by what they compute; their order in the function is of no
// matter.
#ifndef KVASIR_MODELS_MIL_RAISED_REPEATED_LAYERS_H
#define KVASIR_MODELS_MIL_RAISED_REPEATED_LAYERS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/DenseMap.h"

#include <optional>
#include <vector>

namespace kvasir::mil {

/// Layers [from, from + count()) of a function. They differ in indices that rise evenly with their number, in the
/// weights that they select, and in the elements of constant tensors.
struct RepeatedLayers {
  int64_t from = 0;
  std::vector<llvm::SmallVector<mlir::Value>> taken; ///< by layer: what it takes of the one before
  llvm::SmallVector<mlir::Value> handedOn;           ///< by the last one: what stands for what a next one would take
  llvm::SmallVector<mlir::Operation *> ops;          ///< of the first, in its order
  std::vector<llvm::DenseMap<mlir::Operation *, mlir::Operation *>>
      twins; ///< by layer: the op that stands for the first's
  /// Operands of the first's ops, and in their regions, that are numbers of the layer: what each layer adds to the one
  /// before.
  llvm::DenseMap<mlir::OpOperand *, int64_t> strides;

  size_t count() const { return twins.size(); }
};

/// What an op takes: its operands, and what its regions take from outside. In the same order for ops that are alike.
llvm::SmallVector<mlir::OpOperand *> takenBy(mlir::Operation *op);

/// The layers whose attentions `anchors` make, all in one block, in the order of their numbers: as many as repeat from
/// one of the first two on, two or more. Nothing if there are none, or if others use what a layer computes for itself.
std::optional<RepeatedLayers> findRepeatedLayers(llvm::ArrayRef<mlir::Operation *> anchors);

} // namespace kvasir::mil

#endif
