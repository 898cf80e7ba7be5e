// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_DIALECT_H
#define KVASIR_DIALECTS_KV_DIALECT_H

#include "compiler/dialects/lm/dialect.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

namespace kvasir::kv {
/// The resource that every op on state reads or writes. Slots are linear values, so data dependence orders the
/// writes; this effect also orders reads of a version before the write that consumes it.
struct State : mlir::SideEffects::Resource::Base<State> {
  mlir::StringRef getName() final { return "kv.state"; }
};

/// What the host promised of its inputs; kv.bind checks it whether or not somebody uses the input.
struct Contract : mlir::SideEffects::Resource::Base<Contract> {
  mlir::StringRef getName() final { return "kv.contract"; }
};

/// Names those results that are slots or views after their cache or register.
void nameAfterSlots(mlir::ResultRange results, mlir::OpAsmSetValueNameFn name);
} // namespace kvasir::kv

#include "compiler/dialects/kv/dialect.h.inc"
#include "compiler/dialects/kv/enums.h.inc"
#define GET_TYPEDEF_CLASSES
#include "compiler/dialects/kv/types.h.inc"
#define GET_OP_CLASSES
#include "compiler/dialects/kv/ops.h.inc"

namespace kvasir::kv {

/// The declaration behind a slot's symbol: one of the two is set, or none when the symbol is unknown.
struct Declaration {
  CacheOp cache;
  RegisterOp reg;

  explicit operator bool() const { return cache || reg; }
  mlir::Operation *op();
  int64_t numLayers();
};

/// Finds `symbol` in the module's schema.
Declaration lookup(mlir::Operation *from, mlir::SymbolRefAttr symbol);

/// The symbol of a slot or a view; null for other types.
mlir::SymbolRefAttr symbolOf(mlir::Type type);

/// The batch among a function's arguments; null if it has none.
mlir::BlockArgument batchOf(llvm::ArrayRef<mlir::BlockArgument> arguments);

/// What an entry function states of its batch by an argument attribute: `kv.sequences` or `kv.tokens`.
std::optional<int64_t> knownOf(mlir::Value batch, mlir::StringRef fact);

} // namespace kvasir::kv

#endif
