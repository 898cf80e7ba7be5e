// SPDX-License-Identifier: MIT
// Which ops become functions of their own, and what these are called.
#ifndef KVASIR_PASSES_PROBES_H
#define KVASIR_PASSES_PROBES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

#include <string>

namespace kvasir {

/// The name that a person gave to the place of an op: "blk.{layer}.attn_q"; else that of its first weight; else the
/// op's own, without its dialect.
std::string placeOf(mlir::Operation *op);

/// Each op of the schema's first entry that `probe-ops` makes a function, and that function's name, in the entry's
/// order. Before they are made.
llvm::MapVector<mlir::Operation *, std::string> probesOf(mlir::ModuleOp module);

} // namespace kvasir

#endif
