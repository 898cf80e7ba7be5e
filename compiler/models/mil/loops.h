// SPDX-License-Identifier: MIT
// Loops inside the body of an element.
#ifndef KVASIR_MODELS_MIL_LOOPS_H
#define KVASIR_MODELS_MIL_LOOPS_H

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir::mil {

/// `first`, joined in row-major order with what is at each place of `extents`: body(indices, so far) gives the next.
mlir::Value emitFold(mlir::ImplicitLocOpBuilder &b, mlir::ValueRange extents, mlir::Value first,
                     llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange, mlir::Value)> body);

} // namespace kvasir::mil

#endif
