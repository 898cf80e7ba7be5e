// SPDX-License-Identifier: MIT
// Functions in two forms: opaque, over registers, and raised, over the caches whose rows come from them.
#ifndef KVASIR_DIALECTS_KV_FORMS_H
#define KVASIR_DIALECTS_KV_FORMS_H

#include "compiler/dialects/kv/dialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir::kv {

/// On an opaque function: the symbol of its raised form.
constexpr llvm::StringLiteral kRaisedAttr = "kv.raised";

/// On an opaque function: when the raised form computes the same. An array of {input = "mask", is = "length", dim = 3 :
/// i64}, where `is` is start, positions, count, length or causal; a dim for count and length; `hidden = -10000 : i64`
/// for a causal mask of numbers, which is that at most where it hides.
constexpr llvm::StringLiteral kBindsAttr = "kv.binds";

/// On an entry that is another one, specialised: the name of that one.
constexpr llvm::StringLiteral kSpecialisesAttr = "kv.specialises";

/// Whether another function names this one, or what it specialises, as its raised form.
bool isRaisedForm(mlir::func::FuncOp function);

/// The register of this schema that the cache's rows come from; null if `from` names none.
RegisterOp originOf(CacheOp cache);

/// The slots that an entry takes and returns, in the schema's order: all of them, unless caches come from registers.
/// Then a function that takes no tokens has the registers, any other the caches and the registers that no cache comes
/// from.
llvm::SmallVector<mlir::Operation *> slotsFor(mlir::func::FuncOp entry, SchemaOp schema);

} // namespace kvasir::kv

#endif
