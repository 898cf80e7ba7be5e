// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_ROW_TYPE_H
#define KVASIR_DRIVER_ROW_TYPE_H

#include "backends/backend.h"

namespace kvasir {

/// Has the rows of all caches rounded to "f16" or "bf16", and says so in the schema, unless it is what the backend
/// stores by itself. Returns whether anything has changed. Fails where the program says itself what rows are rounded
/// to.
llvm::Expected<bool> chooseRowType(mlir::ModuleOp program, const Backend &backend, llvm::StringRef type);

} // namespace kvasir

#endif
