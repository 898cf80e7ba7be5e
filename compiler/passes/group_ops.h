// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_GROUP_OPS_H
#define KVASIR_PASSES_GROUP_OPS_H

#include "compiler/dialects/kv/dialect.h"

namespace kvasir {

/// Wraps `ops` (null ones are left out, at least one is there) in a kv.group for `kernel`. The group stands where the
/// last of them stood, yields what others use, and selects the weights that the ops use itself. Null, with nothing
/// changed, unless all stand in one block and what others make of their results comes after the last of them.
kv::GroupOp tryGroup(llvm::StringRef kernel, llvm::ArrayRef<mlir::Operation *> ops);

/// Puts the group's body in its place.
void inlineGroup(kv::GroupOp group);

/// Whether a group has taken the op already.
inline bool isGrouped(mlir::Operation *op) { return op->getParentOfType<kv::GroupOp>() != nullptr; }

} // namespace kvasir

#endif
