// SPDX-License-Identifier: MIT
#include "tests/unit/toy/toy_model.h"

#include <random>
#include <stdexcept>

namespace kvasir::runtime {
std::shared_ptr<Model> makeToyModel(uint32_t threads, const std::function<void(Program &)> &change, TeamUse teamUse) {
  const auto description = descriptionFromJson(TOY_DESCRIPTION);
  if (!description)
    throw std::runtime_error(description.message());
  static constexpr kv_host kHost = {sizeof(kv_host), KV_ABI, 0, 0};
  Program program;
  program.plugin = kvasir_plugin(&kHost);
  program.description = *description;
  if (change)
    change(program);
  return std::make_shared<Model>(std::move(program), ModelOptions{threads, Pinning::off, teamUse});
}

std::vector<float> toyLogits(const std::vector<int32_t> &ids) {
  uint64_t sum = 0;
  for (size_t row = 0; row < ids.size(); ++row)
    sum += (ids[row] + 1) * (row + 1);
  std::vector<float> logits;
  for (uint64_t v = 0; v < TOY_VOCABULARY; ++v)
    logits.push_back(v < TOY_FAILS ? static_cast<float>(sum * (v + 3) % 8191) : -1.0f);
  if (!ids.empty() && ids.back() == TOY_ENDS)
    logits[TOY_END] = 10000.0f;
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
