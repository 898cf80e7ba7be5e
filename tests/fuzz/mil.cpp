// SPDX-License-Identifier: MIT
// Core ML programs that can be read: imported into a module that is right, with weights that can be read, or refused.
#include "compiler/models/mil/import.h"
#include "compiler/passes/registry.h"
#include "tests/fuzz/package_mutator.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

using namespace kvasir;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

void readWeights(const mil::PackageWeights &weights) {
  for (const std::string_view name : weights.names()) {
    const Result<SourceTensor> tensor = weights.find(name);
    require(bool(tensor));
    WeightRow row(tensor->form, tensor->columns);
    for (const uint64_t index : {uint64_t(0), tensor->rows - 1})
      tensor->read(index, row);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const test::PackageFolder folder;
  static const mlir::DialectRegistry registry = [] {
    mlir::DialectRegistry dialects;
    registerDialects(dialects);
    return dialects;
  }();
  folder.write(test::PackageInput::parse({bytes, size}));
  const Result<coreml::Package> package = coreml::Package::open(folder.path());
  if (!package || !mil::unknownOps(package->program()).empty())
    return 0;
  const test::SeparateConstants separate(package->program());
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  mil::PackageWeights weights;
  const auto imported = mil::importProgram(separate.program(), "fuzzed", "0", mil::Forms::all, weights, &context);
  if (!imported) {
    require(imported.message().find('\n') == std::string::npos);
    return 0;
  }
  require(mlir::succeeded(mlir::verify(*imported->module)));
  readWeights(weights);
  return 0;
}
