// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/package.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

using namespace kvasir::coreml;

namespace {

const std::filesystem::path kCases = KVASIR_COREML_CASES;

Package open(const std::string &name) {
  kvasir::Result<Package> package = Package::open((kCases / "packages" / (name + ".mlpackage")).string());
  REQUIRE_MESSAGE(bool(package), name, ": ", package ? "" : package.message());
  return std::move(*package);
}

void collectTypes(const Block &block, std::set<std::string> &types) {
  for (const Operation &operation : block.operations)
    types.insert(operation.type);
}

const Operation *findFirst(const Function &function, std::string_view type) {
  for (const Operation &operation : function.body.operations)
    if (operation.type == type)
      return &operation;
  return nullptr;
}

} // namespace

TEST_CASE("every package has the functions and the ops outside of blocks that are said of it") {
  const auto index = nlohmann::json::parse(std::ifstream(kCases / "index.json"));
  size_t numPackages = 0;
  for (const auto &entry : index["cases"]) {
    const Package package = open(entry["case"]);
    std::vector<std::string> functions;
    std::set<std::string> types;
    for (const Function &function : package.program().functions) {
      functions.push_back(function.name);
      collectTypes(function.body, types);
    }
    CHECK_MESSAGE(functions == entry["functions"].get<std::vector<std::string>>(), entry["case"]);
    CHECK_MESSAGE(types == entry["ops"].get<std::set<std::string>>(), entry["case"]);
    ++numPackages;
  }
  CHECK(numPackages == 71);
}

TEST_CASE("a function's inputs, states and constants") {
  const Package package = open("toy_kv_BUG_prefill_no_v_write");
  const Function &prefill = package.program().functions.front();
  std::string inputs;
  for (ValueId input : prefill.inputs)
    inputs += prefill.nameOf(input) + ": " + text(prefill.values[input].type) + "; ";
  CHECK(inputs == "input_ids: int32[1, 8]; pos: int32[1]; causal_mask: fp16[1, 8, 32]; "
                  "k_cache: state fp16[1, 32, 16]; v_cache: state fp16[1, 32, 16]; ");
  CHECK(prefill.declaredStates.at("v_cache") == TensorType{Element::f16, {1, 32, 16}});

  const Operation *update = findFirst(prefill, "slice_update");
  REQUIRE(update);
  CHECK(prefill.describe(*update).starts_with("slice_update 'k_new' (op "));
  const Constant *mask = prefill.constantOf(*update->find("begin_mask"));
  REQUIRE(mask);
  CHECK(mask->asIntegers() == std::vector<int64_t>{1, 0, 1});
  CHECK(prefill.constantOf(*update->find("begin")) == nullptr);
}

TEST_CASE("constants of 4 bits come out of the weight file as they lie there") {
  const Package package = open("llama2L_hf_int4");
  const Function &main = package.program().functions.front();
  const Operation *weights = findFirst(main, "constexpr_blockwise_shift_scale");
  REQUIRE(weights);
  const Constant *codes = main.constantOf(*weights->find("data"));
  REQUIRE(codes);
  CHECK(codes->type.element == Element::i4);
  CHECK(codes->bytes.size() == codes->numElements() / 2);
  const std::vector<int64_t> integers = codes->asIntegers().value();
  for (size_t i = 0; i < integers.size(); ++i) {
    const int low = codes->bytes[i / 2] >> (i % 2 * 4) & 15;
    REQUIRE(integers[i] == (low < 8 ? low : low - 16));
  }
}
