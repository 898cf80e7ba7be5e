// SPDX-License-Identifier: MIT
// Which number of the call a tensor has as many rows as: T, or W for what comes after the wanted rows were taken.
#ifndef KVASIR_PASSES_ROW_EXTENT_H
#define KVASIR_PASSES_ROW_EXTENT_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir {

/// Whether the first extent of `tensor` is W. Follows the tensor back to kv.wanted; all that does not come from there
/// has T rows.
bool hasWantedRows(mlir::Value tensor);

/// A tensor of undefined elements with as many rows as `like`, whose type it has; `batch` is the entry's !kv.batch.
mlir::Value emitEmptyRows(mlir::ImplicitLocOpBuilder &builder, mlir::Type type, mlir::Value like, mlir::Value batch);

} // namespace kvasir

#endif
