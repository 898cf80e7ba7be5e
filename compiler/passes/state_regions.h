// SPDX-License-Identifier: MIT
// Control flow without state: what lower-slots does to loops and branches.
#ifndef KVASIR_PASSES_STATE_REGIONS_H
#define KVASIR_PASSES_STATE_REGIONS_H

#include "compiler/dialects/kv/dialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir {

/// Whether values of the type vanish: slots, views, batches.
bool isState(mlir::Type type);

/// A view that stands for the number of its layer until nothing asks for it; and that number.
mlir::Value emitView(mlir::ImplicitLocOpBuilder &builder, mlir::Type type, mlir::Value layer);
mlir::Value layerOfView(mlir::ImplicitLocOpBuilder &builder, mlir::Value view);

/// Whether `op` is a kv.loop, an scf.for or an scf.if whose edges state passes; each kv.loop counts.
bool passesState(mlir::Operation *op);

/// Replaces such an op by an scf.for or scf.if that carries all else, and instead of a view the number of its layer.
/// Nobody uses a slot or a batch that comes out of it.
void dropState(mlir::Operation *op);

} // namespace kvasir

#endif
