// SPDX-License-Identifier: MIT
// Which number of the call a tensor has as many rows as.
#ifndef KVASIR_PASSES_ROW_EXTENT_H
#define KVASIR_PASSES_ROW_EXTENT_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir {

/// T, W for what comes after the wanted rows were taken, B for registers. The value is the letter.
enum class RowCount : char { tokens = 'T', wanted = 'W', sequences = 'B' };

/// What the first extent of `tensor` is. Follows the tensor back to kv.wanted or kv.get; all that does not come from
/// there has T rows.
RowCount rowCountOf(mlir::Value tensor);

/// That number, at the builder; `batch` is the entry's !kv.batch.
mlir::Value emitRowCount(mlir::ImplicitLocOpBuilder &builder, RowCount rows, mlir::Value batch);

/// A tensor of undefined elements with as many rows as `like`, whose type it has.
mlir::Value emitEmptyRows(mlir::ImplicitLocOpBuilder &builder, mlir::Type type, mlir::Value like, mlir::Value batch);

} // namespace kvasir

#endif
