// SPDX-License-Identifier: MIT
// Rows of states seen from outside, and what a host would pass.
#include "runtime/imported/session.h"

#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::imported;

namespace {

/// A call that leaves a state as `change` does, run on two fills.
template <typename Change> std::vector<SlabRows> rowsOf(const Tensor &like, const RowAxes &axes, Change change) {
  Tensor before[2] = {fill(like, 1), fill(like, 2)}, after[2] = {before[0], before[1]};
  for (Tensor &state : after)
    change(state);
  return rowMap({before[0], after[0]}, {before[1], after[1]}, axes);
}

const Tensor kCache = Tensor::make(ElementType::f16, {2, 8, 3}); // layers, tokens, lanes

FunctionDescription decoder() {
  FunctionDescription function;
  function.name = "main";
  function.inputs = {{"inputIds", ElementType::i32, {{0, 1}, {'a', 0}}},
                     {"causalMask", ElementType::f16, {{0, 1}, {0, 1}, {'c', 0}, {'b', 0}}}};
  function.extents.resize(3);
  function.extents[0].symbol = 'a';
  function.extents[0].to = 16;
  function.extents[1].symbol = 'b';
  function.extents[1].to = 64;
  function.extents[2].symbol = 'c';
  function.extents[2].to = 16;
  return function;
}

} // namespace

TEST_CASE("rows that a call writes, moves, writes in part, or leaves") {
  const RowAxes axes{1, {0}};
  const auto slabs = rowsOf(kCache, axes, [](Tensor &state) {
    for (uint64_t i = 0; i < 6; ++i)
      state.set(6 + i, 0); // rows 2 and 3 of layer 0
    state.set(24 + 4, 0);  // one lane of row 1 of layer 1
  });
  CHECK(slabs[0].written == std::vector<uint64_t>{2, 3});
  CHECK(slabs[0].partial.empty());
  CHECK(slabs[1].written.empty());
  CHECK(slabs[1].partial == std::vector<uint64_t>{1});
  const auto moved = rowsOf(kCache, axes, [](Tensor &state) {
    const Tensor old = state;
    for (uint64_t layer = 0; layer < 2; ++layer)
      for (uint64_t i = 0; i < 24; ++i)
        state.set(layer * 24 + i, i < 12 ? old.at(layer * 24 + i + 12) : 0.0f);
  });
  for (const SlabRows &slab : moved) {
    CHECK(slab.moved == std::vector<uint64_t>{0, 1, 2, 3});
    CHECK(slab.movedFrom == 4);
    CHECK(slab.written == std::vector<uint64_t>{4, 5, 6, 7});
  }
  CHECK(rowsOf(kCache, axes, [](Tensor &) {})[0].written.empty());
}

TEST_CASE("rows lie along any axis") {
  const Rows rows({2, 1, 3, 8, 4}, {3, {0, 1, 2}});
  CHECK(rows.numSlabs() == 6);
  CHECK(rows.numRows() == 8);
  CHECK(rows.rowElements() == 4);
  CHECK(rows.indexOf(4) == std::vector<uint64_t>{1, 1});
  CHECK(rows.slabOf({1, 1}) == 4);
  CHECK(!rows.slabOf({2, 0}));
  CHECK(!rows.slabOf({0}));
  CHECK(rows.offset(4, 5, 2) == 1 * 96 + 1 * 32 + 5 * 4 + 2);
  CHECK(rangesText({0, 1, 2, 5, 7, 8}) == "[0, 3), [5, 6), [7, 9)");
  CHECK(rangesText({}) == "[]");
}

TEST_CASE("fills differ everywhere and are finite, of each type") {
  for (const ElementType element : {ElementType::f16, ElementType::f32, ElementType::i8, ElementType::i32}) {
    const Tensor like = Tensor::make(element, {100});
    const Tensor first = fill(like, 1), second = fill(like, 2);
    unsigned numEqual = 0;
    for (uint64_t i = 0; i < 100; ++i)
      numEqual += first.at(i) == second.at(i);
    CHECK(numEqual < 5);
  }
}

TEST_CASE("what a host passes where the mask's width says the position") {
  const FunctionDescription function = decoder();
  const auto host = hostFunctionOf(function);
  REQUIRE(host);
  CHECK(host->tokenInput == "inputIds");
  CHECK(host->maskInput == "causalMask");
  CHECK(host->style == PositionStyle::width);
  CHECK(host->takes(16));
  CHECK(!host->takes(17));
  const Tensors inputs = inputsOf({&*host, {5, 6}, 3}, {{CacheStyle::linear, 64}});
  CHECK(inputs.at("inputIds").dims == std::vector<uint64_t>{1, 2});
  const Tensor &mask = inputs.at("causalMask");
  CHECK(mask.dims == std::vector<uint64_t>{1, 1, 2, 5});
  CHECK(mask.at(3) == 0);
  CHECK(mask.at(4) == -65504);
  CHECK(mask.at(9) == 0);
}

TEST_CASE("what a host passes where the position is an input, and rows are used again") {
  FunctionDescription function;
  function.name = "prefill";
  function.inputs = {{"input_ids", ElementType::i32, {{0, 2}, {0, 2}}},
                     {"pos", ElementType::i32, {{0, 1}}},
                     {"keep", ElementType::i32, {{0, 1}}},
                     {"causal_mask", ElementType::f16, {{0, 1}, {0, 2}, {0, 8}}}};
  const auto host = hostFunctionOf(function);
  REQUIRE(host);
  CHECK(host->batch == 2);
  CHECK(host->mostTokens == 2);
  CHECK(host->positionInput == "pos");
  const Tensors inputs = inputsOf({&*host, {1, 2, 3, 4}, 9}, {{CacheStyle::ring, 8, 3}});
  CHECK(inputs.at("input_ids").at(3) == 4);
  CHECK(inputs.at("pos").at(0) == 9);
  CHECK(inputs.at("keep").at(0) == 1);
  // Token 9 sees 7, 8 and itself: rows 7, 0 and 1.
  std::string visible;
  for (uint64_t i = 0; i < 16; ++i)
    visible += inputs.at("causal_mask").at(i) == 0 ? '1' : '0';
  CHECK(visible == "1100000111100000");
}

TEST_CASE("a ring whose first tokens keep their rows") {
  const CacheForm form{CacheStyle::ring, 8, 5, 2};
  std::vector<uint64_t> rows;
  for (uint64_t token = 0; token < 10; ++token)
    rows.push_back(form.rowOf(token, token + 1));
  CHECK(rows == std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 2, 3});
  CHECK(form.holds(1, 20));
  CHECK(!form.holds(2, 9));
  CHECK(form.holds(3, 9));
}

TEST_CASE("what a host passes as embeddings, and as a mask of old rows and new tokens") {
  FunctionDescription function;
  function.name = "prefill";
  function.inputs = {{"inputs_embeds", ElementType::f16, {{0, 1}, {0, 2}, {0, 3}}},
                     {"pos", ElementType::i32, {{0, 1}}},
                     {"causal_mask", ElementType::f16, {{0, 1}, {0, 2}, {0, 6}}}};
  const auto host = hostFunctionOf(function);
  REQUIRE(host);
  CHECK(host->takesVectors);
  CHECK(host->mostTokens == 2);
  CHECK(host->guessedInputs().empty());
  const Tensors inputs = inputsOf({&*host, {5, 6}, 1}, {{CacheStyle::linear, 4}});
  const Tensors others = inputsOf({&*host, {6, 6}, 1}, {{CacheStyle::linear, 4}});
  const Tensor &left = inputs.at("inputs_embeds"), &right = others.at("inputs_embeds");
  for (uint64_t i = 0; i < 3; ++i) {
    CHECK(left.at(i) != right.at(i));
    CHECK(left.at(3 + i) == right.at(3 + i));
    CHECK(right.at(i) == right.at(3 + i));
  }
  std::vector<uint64_t> seen;
  for (uint64_t i = 0; i < 12; ++i)
    if (inputs.at("causal_mask").at(i) == 0)
      seen.push_back(i);
  CHECK(seen == std::vector<uint64_t>{0, 4, 6, 10, 11});
}

TEST_CASE("functions without tokens are no language model's") {
  FunctionDescription function;
  function.name = "main";
  function.inputs = {{"x", ElementType::f16, {{0, 2}, {0, 4}}}};
  CHECK(!hostFunctionOf(function));
}

TEST_CASE("outputs are cut by tokens") {
  const FunctionDescription function = decoder();
  const auto host = hostFunctionOf(function);
  Tensor output = Tensor::make(ElementType::f32, {1, 3, 2});
  for (uint64_t i = 0; i < 6; ++i)
    output.set(i, static_cast<double>(i));
  CHECK(tokenOutputs(output, *host, 3) == std::vector<std::vector<float>>{{0, 1}, {2, 3}, {4, 5}});
  CHECK(tokenOutputs(output, *host, 4).size() == 1);
}
