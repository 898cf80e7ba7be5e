// SPDX-License-Identifier: MIT
// Each op that a backend may take has a case of its own.
#include "compiler/dialects/lm/dialect.h"
#include "compiler/passes/registry.h"
#include "tests/conformance/families.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <doctest/doctest.h>

#include <set>

using namespace conformance;

namespace {

/// Ops of the arithmetic in a function, once for each time they stand there.
std::multiset<std::string> opsOf(mlir::ModuleOp module, const std::string &function) {
  std::multiset<std::string> ops;
  if (auto found = module.lookupSymbol<mlir::func::FuncOp>(function))
    found.walk([&](kvasir::lm::Decomposes op) { ops.insert(op->getName().getStringRef().str()); });
  return ops;
}

} // namespace

TEST_CASE("every op of the arithmetic has a case, and a case that is not of fused ops has one op") {
  mlir::DialectRegistry registry;
  kvasir::registerDialects(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  std::set<std::string> asked;
  for (const Family &family : opFamilies()) {
    mlir::OwningOpRef<mlir::ModuleOp> module = mlir::parseSourceString<mlir::ModuleOp>(family.program, &context);
    REQUIRE(module);
    for (const OpCase &op : family.cases) {
      const std::multiset<std::string> ops = opsOf(*module, op.function);
      CHECK_MESSAGE((op.isFused || ops.size() == 1), op.function, " has ", ops.size(), " ops");
      if (!op.isFused)
        asked.insert(ops.begin(), ops.end());
    }
  }
  for (mlir::RegisteredOperationName op : context.getRegisteredOperations())
    if (op.hasInterface<kvasir::lm::Decomposes>())
      CHECK_MESSAGE(asked.contains(op.getStringRef().str()), op.getStringRef().str(),
                    " has no case in tests/conformance");
}
