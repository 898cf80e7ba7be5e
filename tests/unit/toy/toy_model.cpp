// SPDX-License-Identifier: MIT
#include "tests/unit/toy/toy_model.h"

#include <random>

namespace kvasir::runtime {
namespace {

SlotDescription makeCache(const char *name, uint64_t width, Layout layout) {
  SlotDescription slot;
  slot.name = name;
  slot.layers = 2;
  slot.width = width;
  slot.layout = std::move(layout);
  return slot;
}

std::vector<SlotDescription> makeSlots() {
  Layout k{
      2 * 128 * 2 * 4,
      {{PlaneRole::value, ElementType::f32, 0, {{Axis::lane, 2, 32}, {Axis::token, 128, 64}, {Axis::layer, 2, 8192}}}}};
  Layout v{2 * 128 * 2, {{PlaneRole::value, ElementType::bf16, 0, {{Axis::layer, 2, 16}, {Axis::token, 128, 32}}}}};
  SlotDescription sum;
  sum.name = "sum";
  sum.kind = SlotKind::reg;
  sum.shape = {1};
  sum.layout = {4, {{PlaneRole::value, ElementType::f32, 0, {{Axis::lane, 1, 32}}}}};
  return {makeCache("k", 2, std::move(k)), makeCache("v", 1, std::move(v)), std::move(sum)};
}

std::vector<FunctionDescription> makeFunctions() {
  const TensorDescription ids{"ids", ElementType::i32, {{'T', 0}}, TensorRole::ids};
  const TensorDescription logits{"logits", ElementType::f32, {{'W', 0}, {0, TOY_VOCABULARY}}, TensorRole::logits};
  const TensorDescription sum{"sum", ElementType::f32, {{0, 1}}, TensorRole::other};
  return {{"forward", TOY_MAX_TOKENS, {ids}, {logits}},
          {"declares_less", TOY_MAX_TOKENS, {ids}, {logits}},
          {"read", TOY_MAX_TOKENS, {}, {sum}}};
}

} // namespace

std::shared_ptr<Model> makeToyModel(uint32_t threads) {
  Description description;
  description.model = {"toy", "toy", TOY_CONTEXT, TOY_VOCABULARY, {}};
  description.slots = makeSlots();
  description.functions = makeFunctions();
  return std::make_shared<Model>(Program{toy_plugin(), std::move(description), nullptr, nullptr, nullptr},
                                 ModelOptions{threads, Pinning::off});
}

std::vector<float> toyLogits(const std::vector<int32_t> &ids) {
  uint64_t sum = 0;
  for (size_t row = 0; row < ids.size(); ++row)
    sum += (ids[row] + 1) * (row + 1);
  std::vector<float> logits;
  for (uint64_t v = 0; v < TOY_VOCABULARY; ++v)
    logits.push_back(static_cast<float>(sum * (v + 3) % 8191));
  return logits;
}

std::vector<int32_t> toyIds(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids)
    id = static_cast<int32_t>(random() % TOY_FAILS);
  return ids;
}

std::vector<float> predictOne(Model &model, State &state, const std::vector<int32_t> &ids, Wanted wanted,
                              const CancelFlag *cancel) {
  CallRequest request;
  request.states = {&state};
  request.counts = {ids.size()};
  request.wanted = wanted;
  request.cancel = cancel;
  std::vector<float> logits(request.sizes().wanted * TOY_VOCABULARY);
  predict(model, request, ids, logits.data());
  return logits;
}

} // namespace kvasir::runtime
