// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_GROUP_OPERANDS_H
#define KVASIR_PASSES_GROUP_OPERANDS_H

#include "compiler/dialects/kv/dialect.h"

namespace kvasir {

/// The tensors and indices that the body of a group takes from around it, each once, in the order of first use: the
/// operands of its kernel (KernelRequest of backends/backend.h).
llvm::SmallVector<mlir::Value> groupOperands(kv::GroupOp group);

} // namespace kvasir

#endif
