// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_LM_DIALECT_H
#define KVASIR_DIALECTS_LM_DIALECT_H

#include "plugins/layout.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/Hashing.h"

namespace kvasir {
/// What MLIR keys a #lm.layout by.
llvm::hash_code hash_value(const Layout &layout);
} // namespace kvasir

#include "compiler/dialects/lm/dialect.h.inc"
#include "compiler/dialects/lm/enums.h.inc"
#define GET_TYPEDEF_CLASSES
#include "compiler/dialects/lm/types.h.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/dialects/lm/attributes.h.inc"
#include "compiler/dialects/lm/interfaces.h.inc"
#define GET_OP_CLASSES
#include "compiler/dialects/lm/ops.h.inc"

#endif
