// SPDX-License-Identifier: MIT
// The dialect naive, for kvasir-opt --load-dialect-plugin.
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"

#include "tests/ir/naive/dialect.h.inc"
#define GET_OP_CLASSES
#include "tests/ir/naive/ops.h.inc"

#include "tests/ir/naive/dialect.cpp.inc"
#define GET_OP_CLASSES
#include "tests/ir/naive/ops.cpp.inc"

void naive::NaiveDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "tests/ir/naive/ops.cpp.inc"
      >();
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "naive", "1",
          [](mlir::DialectRegistry *registry) { registry->insert<naive::NaiveDialect>(); }};
}
