// SPDX-License-Identifier: MIT
#include "compiler/mutate/steps.h"

#include <algorithm>

using namespace kvasir;

namespace {
bool hasInput(const FunctionDescription &function, TensorRole role) {
  return std::ranges::any_of(function.inputs, [&](const TensorDescription &input) { return input.role == role; });
}

/// Adds steps whose calls turn to another function at each place.
class Tour {
public:
  Tour(const Description &description, const std::vector<EntryLimits> &limits, size_t firstFunction)
      : description(description), limits(limits), next(firstFunction) {}

  /// New tokens for the sequences, in one call if a function takes them so, else sequence by sequence and, if need be,
  /// token by token.
  void feed(const std::vector<Part> &parts) {
    if (std::optional<size_t> function = takerOf(parts)) {
      steps.push_back({Step::Kind::call, *function, parts});
      return;
    }
    for (const Part &part : parts)
      if (parts.size() > 1)
        feed({part});
      else
        feedInPieces(part);
  }

  /// A call whose inputs say what is not so; nothing where no function has such inputs.
  void lie(Lie lie, TensorRole role) {
    for (size_t function = 0; function < limits.size(); ++function)
      if (hasInput(description.functions[function], role)) {
        const uint64_t tokens = limits[function].tokens;
        steps.push_back({Step::Kind::call, function, {{0, tokens ? tokens : 2}}, lie});
      }
  }

  void truncate(size_t state, uint64_t length) {
    steps.push_back({Step::Kind::truncate, 0, {}, Lie::none, state, length});
  }
  void reset(size_t state) { steps.push_back({Step::Kind::reset, 0, {}, Lie::none, state}); }

  std::vector<Step> take() { return std::move(steps); }

private:
  std::optional<size_t> takerOf(const std::vector<Part> &parts) {
    uint64_t tokens = 0;
    for (const Part &part : parts)
      tokens += part.count;
    for (size_t i = 0; i < limits.size(); ++i) {
      const size_t function = (next + i) % limits.size();
      const EntryLimits &limit = limits[function];
      if ((limit.sequences && limit.sequences != parts.size()) || (limit.tokens && limit.tokens != tokens))
        continue;
      next = function + 1;
      return function;
    }
    return std::nullopt;
  }

  /// The most tokens that some function takes at once, again and again.
  void feedInPieces(const Part &part) {
    uint64_t most = 0;
    for (const EntryLimits &limit : limits)
      if (limit.sequences <= 1 && limit.tokens <= part.count)
        most = std::max(most, limit.tokens);
    for (uint64_t fed = 0; most && fed + most <= part.count; fed += most)
      feed({{part.state, most}});
  }

  const Description &description;
  const std::vector<EntryLimits> &limits;
  std::vector<Step> steps;
  size_t next;
};

/// More tokens than a window or a block holds, if the context has room for them.
uint64_t longPromptFor(const Description &description) {
  uint64_t tokens = 130;
  for (const SlotDescription &slot : description.slots)
    if (slot.windowTokens < 512)
      tokens = std::max(tokens, slot.windowTokens + 2);
  const uint64_t context = description.model.contextTokens;
  return context && tokens + 16 > context ? context / 2 : tokens;
}
} // namespace

std::string Step::text(const Description &description) const {
  if (kind == Kind::reset)
    return "reset of sequence " + std::to_string(state);
  if (kind == Kind::truncate)
    return "truncate of sequence " + std::to_string(state) + " to " + std::to_string(length);
  std::string counts;
  for (const Part &part : parts)
    counts += (counts.empty() ? "" : " + ") + std::to_string(part.count);
  const bool isOne = counts == "1";
  return "@" + description.functions[function].name + " of " + counts + (isOne ? " token" : " tokens") +
         (lie == Lie::none   ? ""
          : lie == Lie::mask ? ", its mask wrong"
                             : ", its positions wrong");
}

std::vector<Step> kvasir::makeSteps(const Description &description, const std::vector<EntryLimits> &limits) {
  std::vector<Step> steps;
  for (size_t first = 0; first < limits.size(); ++first) {
    Tour tour(description, limits, first);
    tour.feed({{0, 5}});
    tour.feed({{0, 1}});
    tour.feed({{0, 1}});
    tour.truncate(0, 6); // where a call ended: registers were kept
    tour.feed({{0, 1}});
    tour.truncate(0, 4);
    tour.feed({{0, 3}});
    tour.feed({{0, 2}, {1, 4}});
    tour.feed({{1, 1}, {0, 1}});
    tour.lie(Lie::positions, TensorRole::positions);
    tour.lie(Lie::mask, TensorRole::mask);
    tour.feed({{1, longPromptFor(description)}});
    tour.feed({{1, 1}, {0, 1}});
    tour.reset(0);
    tour.feed({{0, 2}});
    tour.feed({{0, 1}});
    tour.reset(0);
    tour.reset(1);
    for (Step &step : tour.take())
      steps.push_back(std::move(step));
  }
  return steps;
}
