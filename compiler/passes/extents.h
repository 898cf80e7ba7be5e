// SPDX-License-Identifier: MIT
// The extents of a function's tensors that only the call knows, by letter: T new tokens, W wanted ones, B sequences,
// S rows of the one sequence after the call, a to z what the function says itself.
#ifndef KVASIR_PASSES_EXTENTS_H
#define KVASIR_PASSES_EXTENTS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace kvasir {

/// On an input or output: the letters of its dynamic extents, in order. `name-extents` writes it.
constexpr llvm::StringLiteral kExtentsAttr = "kv.extents";
constexpr llvm::StringLiteral kExtentLetters = "TWBS";

/// On a function: what its own extents are, by letter. {from = 1, to = 64} or {values = array<i64: 1, 8>} for one that
/// its inputs say; {constant = 8, terms = {a = 1}} for 8 + a.
constexpr llvm::StringLiteral kOwnExtentsAttr = "kv.own_extents";

bool isOwnExtent(char letter);

/// A letter for each dimension, 0 for a static one. Without the attribute each is `otherwise`.
std::string extentsOf(mlir::ShapedType type, mlir::DictionaryAttr attributes, char otherwise);

/// The number behind a letter, as index, from `call` (!llvm.ptr to kv_call).
mlir::Value emitExtent(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value call, char letter);

} // namespace kvasir

#endif
