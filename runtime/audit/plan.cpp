// SPDX-License-Identifier: MIT
#include "runtime/audit/plan.h"

#include <algorithm>
#include <random>

namespace kvasir::runtime::audit {
namespace {

// More than a block of 128 rows; 1 and 5 tokens are a step and a call of several that goes on from held rows.
constexpr uint64_t kMadeUpTokens = 140;
constexpr uint64_t kTail[] = {1, 1, 5, 1};
constexpr size_t kRandomCuts = 3;

/// Ids without meaning. The last eighth of a vocabulary is left out: control tokens are often there.
Ids madeUpIds(uint64_t count, uint64_t vocabulary, uint64_t seed) {
  std::mt19937_64 random(seed);
  vocabulary = std::max<uint64_t>(1, vocabulary - vocabulary / 8);
  Ids ids(count);
  for (int32_t &id : ids)
    id = static_cast<int32_t>(random() % vocabulary);
  return ids;
}

void findFunctions(const Model &model, Plan &plan) {
  const auto &functions = model.description().functions;
  std::vector<size_t> ofTokens;
  for (size_t i = 0; i < functions.size(); ++i) {
    if (isRaisedForm(model.description(), functions[i]))
      continue;
    if (!isCallable(functions[i]))
      plan.skipped.push_back(functions[i].name);
    else if (takesTokens(functions[i]))
      ofTokens.push_back(i);
    else
      plan.others.push_back(i);
  }
  if (ofTokens.empty())
    throw Error(KV_UNSUPPORTED, "this model has no function that takes token ids alone");
  const auto tokensOf = [&](size_t i) { return functions[i].maxTokens; };
  // The first of those that take most and least.
  plan.prefill = *std::ranges::max_element(ofTokens, {}, tokensOf);
  plan.step = *std::ranges::min_element(ofTokens, {}, tokensOf);
  for (const size_t i : ofTokens)
    if (i != plan.prefill && i != plan.step)
      plan.others.push_back(i);
}

Cuts randomCuts(uint64_t total, std::mt19937_64 &random) {
  Cuts cuts;
  while (total > 0) {
    const uint64_t most = std::min<uint64_t>(total, 1 + random() % 64);
    cuts.push_back(1 + random() % most);
    total -= cuts.back();
  }
  return cuts;
}

void requireIds(const Ids &ids, uint64_t vocabulary) {
  for (const int32_t id : ids)
    if (id < 0 || (vocabulary && static_cast<uint64_t>(id) >= vocabulary))
      throw Error(KV_BAD_INPUT,
                  "token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocabulary));
}

} // namespace

Plan makePlan(const Model &model, const AuditOptions &options) {
  Plan plan;
  findFunctions(model, plan);
  const uint64_t vocabulary = model.description().model.vocabularySize, context = model.context();
  plan.ids = options.ids.empty() ? madeUpIds(std::min(kMadeUpTokens, context), vocabulary ? vocabulary : 1024, 7)
                                 : options.ids;
  requireIds(plan.ids, vocabulary);
  plan.promptTokens = plan.ids.size();
  if (plan.promptTokens > context)
    throw Error(KV_BAD_INPUT, "the prompt is " + std::to_string(plan.promptTokens) +
                                  " tokens; the model's context is " + std::to_string(context));
  const uint64_t chunk = options.chunkTokens ? options.chunkTokens : plan.promptTokens;
  for (uint64_t first = 0; first < plan.promptTokens; first += chunk)
    plan.cuts.push_back(std::min(chunk, plan.promptTokens - first));
  for (const uint64_t count : kTail) {
    if (plan.ids.size() + count > context)
      break;
    for (uint64_t i = 0; i < count; ++i)
      plan.ids.push_back(plan.ids[plan.ids.size() - plan.promptTokens]);
    plan.cuts.push_back(count);
  }
  std::mt19937_64 random(options.seed);
  for (size_t i = 0; i < kRandomCuts; ++i)
    plan.randomCuts.push_back(randomCuts(plan.ids.size(), random));
  return plan;
}

} // namespace kvasir::runtime::audit
