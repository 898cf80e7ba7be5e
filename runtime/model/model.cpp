// SPDX-License-Identifier: MIT
#include "runtime/model/model.h"

#include <algorithm>
#include <limits>

namespace kvasir::runtime {
namespace {

bool hasRole(const std::vector<TensorDescription> &tensors, TensorRole role) {
  return std::ranges::find(tensors, role, &TensorDescription::role) != tensors.end();
}

} // namespace

bool isSameModel(std::span<const uint8_t> fingerprint, const std::string &name,
                 std::span<const uint8_t> otherFingerprint, const std::string &otherName) {
  const bool hasFingerprint = std::ranges::any_of(fingerprint, [](uint8_t byte) { return byte != 0; });
  return std::ranges::equal(fingerprint, otherFingerprint) && (hasFingerprint || name == otherName);
}

Model::Model(Program loaded, const ModelOptions &options)
    : program(std::move(loaded)), allSlots(std::make_shared<const Slots>(program.description.slots)),
      team(options.threads, options.pinning),
      adapts(options.teamUse == TeamUse::adapts && program.description.numerics.invariant && team.size() > 1) {}

TeamSize *Model::Turn::teamSize(size_t function, uint64_t tokens) {
  if (!model.adapts)
    return nullptr;
  return &model.teamSizes.try_emplace({function, tokens}, model.team.size()).first->second;
}

void Model::requireWhole() const {
  if (program.requireWhole)
    program.requireWhole();
}

size_t Model::findFunction(const std::string &name) const {
  std::string names;
  const auto &functions = description().functions;
  for (size_t function = 0; function < functions.size(); ++function) {
    const bool isForm = isRaisedForm(description(), functions[function]);
    if (functions[function].name == name && isForm)
      throw Error(KV_BAD_INPUT, "function '" + name + "' is the raised form of another, which runs it where it can");
    if (functions[function].name == name)
      return function;
    if (isForm)
      continue;
    names += (names.empty() ? "" : ", ") + functions[function].name;
  }
  throw Error(KV_BAD_INPUT, "no function is called '" + name + "'; there are " + (names.empty() ? "none" : names));
}

size_t predictFunction(const Description &description) {
  const auto &functions = description.functions;
  const auto found = std::ranges::find_if(functions, [&](const FunctionDescription &function) {
    return !isRaisedForm(description, function) && hasRole(function.inputs, TensorRole::ids) &&
           hasRole(function.outputs, TensorRole::logits);
  });
  if (found == functions.end())
    throw Error(KV_UNSUPPORTED, "this model has no function from token ids to logits" +
                                    std::string(functions.empty() ? ": it is a vocabulary only" : ""));
  return found - functions.begin();
}

// SmolLM2's prompts of 512 tokens take 1.5 % longer in one piece than in two on 2 threads; on 16, which have 16 of the
// rows each in a piece of 256, 0.87 of the time.
uint64_t Model::cutTokens(size_t function) const {
  constexpr uint64_t kLeast = 256, kForMember = 64;
  return std::min(description().functions[function].maxTokens, std::max(kLeast, kForMember * threads()));
}

size_t Model::raisedForm(size_t function) const {
  const auto &functions = description().functions;
  return std::ranges::find(functions, functions[function].raised->function, &FunctionDescription::name) -
         functions.begin();
}

uint64_t Model::context() const {
  const uint64_t stated = description().model.contextTokens;
  uint64_t most = stated ? stated : std::numeric_limits<int32_t>::max();
  for (const SlotDescription &slot : description().slots)
    if (slot.from)
      most = std::min(most, slot.from->rows);
  return most;
}

std::unique_ptr<State> Model::makeState(uint64_t capacity, uint32_t numCheckpoints) const {
  if (capacity > context())
    throw Error(KV_BAD_INPUT, "a state of " + std::to_string(capacity) + " tokens is beyond the model's context of " +
                                  std::to_string(context()));
  return std::make_unique<State>(allSlots, StateOptions{capacity ? capacity : context(), numCheckpoints});
}

} // namespace kvasir::runtime
