// SPDX-License-Identifier: MIT
// Layers that a package writes out one by one become one body in a loop, and only where they are alike.
#include "compiler/dialects/kv/dialect.h"
#include "compiler/frontends/coreml/package.h"
#include "compiler/models/mil/import.h"
#include "compiler/passes/registry.h"
#include "plugins/member_name.h"

#include "mlir/IR/MLIRContext.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>

using namespace kvasir;

namespace {

/// A package of two layers, whose program a test changes before it is imported.
class TwoLayers {
public:
  TwoLayers() : package(coreml::Package::open(path())) {
    REQUIRE(package);
    program = package->program();
  }

  /// The first or the last op of a type.
  coreml::Operation &op(const std::string &type, bool isLast) {
    std::vector<coreml::Operation> &ops = program.functions.front().body.operations;
    coreml::Operation *found = nullptr;
    for (coreml::Operation &each : ops)
      if (each.type == type && (!found || isLast))
        found = &each;
    REQUIRE(found);
    return *found;
  }

  mlir::ModuleOp import() {
    Result<mil::ImportedProgram> imported =
        mil::importProgram(program, "two layers", "0", mil::Forms::all, weights, &context);
    REQUIRE(imported);
    module = std::move(imported->module);
    return *module;
  }

  std::vector<lm::WeightOp> families() {
    std::vector<lm::WeightOp> found;
    for (auto weight : mlir::ModuleOp(*module).getOps<lm::WeightOp>())
      if (weight.getFamily() > 1)
        found.push_back(weight);
    return found;
  }

  size_t numLoops() {
    size_t count = 0;
    module->walk([&](kv::LoopOp) { ++count; });
    return count;
  }

  coreml::Program program;
  mil::PackageWeights weights;

private:
  static std::string path() {
    return (std::filesystem::path(KVASIR_COREML_CASES) / "packages/llama2L_hf_dynamic.mlpackage").string();
  }
  static mlir::DialectRegistry dialects() {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }

  Result<coreml::Package> package;
  mlir::MLIRContext context{dialects()};
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

bool isSame(std::span<const uint8_t> a, std::span<const uint8_t> b) { return std::ranges::equal(a, b); }

} // namespace

TEST_CASE("both forms of a function are a loop over its layers, and weights are families") {
  TwoLayers layers;
  mlir::ModuleOp module = layers.import();
  CHECK(layers.numLoops() == 2);
  CHECK(layers.families().size() == 7);
  for (lm::WeightOp family : layers.families())
    CHECK(family.getSource().contains("bl_{}_"));
  module.walk([](kv::LoopOp loop) {
    CHECK(loop.getFrom() == 0);
    CHECK(loop.getTo() == 2);
  });
}

TEST_CASE("weights whose names are no pattern are a family all the same") {
  TwoLayers layers;
  coreml::Function &function = layers.program.functions.front();
  std::map<std::string, std::vector<const coreml::Constant *>> members;
  for (coreml::Value &value : function.values)
    if (value.constant && value.name.starts_with("bl_")) {
      members[value.name.substr(5)].push_back(&*value.constant);
      value.name = value.name[3] == '0' ? "first_" + value.name.substr(5) : "then_" + value.name.substr(5);
    }
  layers.import();
  CHECK(layers.numLoops() == 2);
  CHECK(layers.families().size() == 7);
  for (lm::WeightOp family : layers.families())
    for (uint64_t layer = 0; layer < 2; ++layer) {
      Result<SourceTensor> tensor = layers.weights.find(memberName(std::string_view(family.getSource()), layer));
      REQUIRE(tensor);
      const std::string own(tensor->name.substr(tensor->name.find('_') + 1));
      CHECK(tensor->name.starts_with(layer == 0 ? "first_" : "then_"));
      CHECK(isSame(tensor->bytes, members.at(own).at(layer)->bytes));
    }
}

TEST_CASE("a layer that computes something else is not the other's body") {
  TwoLayers layers;
  layers.op("silu", /*isLast=*/true).type = "relu";
  layers.import();
  CHECK(layers.numLoops() == 0);
  CHECK(layers.families().empty());
}

TEST_CASE("a layer whose weights are another's is no member of a family") {
  TwoLayers layers;
  std::vector<coreml::Operation> &ops = layers.program.functions.front().body.operations;
  std::vector<coreml::Operation *> linears;
  for (coreml::Operation &op : ops)
    if (op.type == "linear")
      linears.push_back(&op);
  REQUIRE(linears.size() == 15);
  linears[0]->inputs["weight"] = linears[7]->inputs["weight"];
  linears[3]->inputs["weight"] = linears[7]->inputs["weight"]; // o of the first layer has q of the second
  layers.import();
  CHECK(layers.numLoops() == 0);
}

TEST_CASE("what another op uses of a layer stays outside of a loop") {
  TwoLayers layers;
  coreml::Function &function = layers.program.functions.front();
  function.body.outputs.push_back(layers.op("silu", /*isLast=*/false).outputs.front());
  layers.import();
  CHECK(layers.numLoops() == 0);
}
