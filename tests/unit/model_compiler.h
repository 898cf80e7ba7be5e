// SPDX-License-Identifier: MIT
// Programs of models that tests make, and the reason why there is none.
#ifndef KVASIR_TESTS_UNIT_MODEL_COMPILER_H
#define KVASIR_TESTS_UNIT_MODEL_COMPILER_H

#include "compiler/models/architecture.h"
#include "compiler/passes/registry.h"
#include "tests/unit/small_model.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <doctest/doctest.h>

#include <functional>

namespace kvasir {

/// From models to programs.
class Compiler {
public:
  Compiler() {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// The program, checked, or the error.
  ModuleResult import(std::vector<uint8_t> content) {
    bytes = std::move(content);
    Result<gguf::File> file = gguf::File::parse(bytes);
    if (!file)
      return Failure{file.message()};
    ModuleResult module = importModel(*file, "models/tiny.gguf", &context);
    if (module)
      REQUIRE(mlir::succeeded(mlir::verify(**module)));
    return module;
  }

  std::string error(const std::function<void(SmallModel &)> &change) {
    SmallModel model;
    change(model);
    ModuleResult module = import(model.bytes());
    return module ? "" : module.message();
  }

  mlir::MLIRContext context;

private:
  std::vector<uint8_t> bytes;
};

inline std::string textOf(mlir::ModuleOp module, bool withLocations = false) {
  std::string text;
  llvm::raw_string_ostream out(text);
  mlir::OpPrintingFlags flags;
  if (withLocations)
    flags.enableDebugInfo(true);
  module.print(out, flags);
  return text;
}

inline bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

} // namespace kvasir

#endif
