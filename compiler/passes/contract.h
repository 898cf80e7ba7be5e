// SPDX-License-Identifier: MIT
// What a call must be like, where the program only says that it is: emitted as kv.require, checked before the first
// write.
#ifndef KVASIR_PASSES_CONTRACT_H
#define KVASIR_PASSES_CONTRACT_H

#include "compiler/dialects/kv/dialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir {

/// A call in which `found` is not `expected` is refused. `message` has a %d for each of them; % in names is dropped.
void emitRequire(mlir::ImplicitLocOpBuilder &builder, mlir::Value found, mlir::Value expected,
                 const llvm::Twine &message);

/// On a kv.require of what only the run finds out, from state or from what was computed: a call that fails it goes on
/// to its end, within memory, and fails then; nothing that it wrote becomes visible.
constexpr llvm::StringLiteral kLateAttr = "kv.late";

/// A call in which `isWrong` (i1) holds fails when it has run.
void emitLateRefusal(mlir::ImplicitLocOpBuilder &builder, mlir::Value isWrong, const llvm::Twine &message);

/// The same of the number of rows of `tensor`.
void emitRequireRows(mlir::ImplicitLocOpBuilder &builder, mlir::Value tensor, mlir::Value expected,
                     const llvm::Twine &message);

/// Replaces `op` by `number` where it binds one, which is the call's, and requires that what it binds is that.
void lowerBind(mlir::ImplicitLocOpBuilder &builder, kv::BindOp op, mlir::Value number);

/// Replaces a causal `op` by the mask that it binds, and requires of each of its numbers what the op says.
void lowerCausalBind(mlir::ImplicitLocOpBuilder &builder, kv::BindOp op, mlir::Value start);

/// A name without what a message's format would read.
std::string plainName(llvm::StringRef name);

} // namespace kvasir

#endif
