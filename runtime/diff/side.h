// SPDX-License-Identifier: MIT
// One plugin and its conversation.
#ifndef KVASIR_RUNTIME_DIFF_SIDE_H
#define KVASIR_RUNTIME_DIFF_SIDE_H

#include "runtime/audit/plan.h"
#include "runtime/model/call.h"

namespace kvasir::runtime::diff {

/// Tokens [start, start + tokens) of the conversation.
struct MadeCall {
  uint64_t start = 0, tokens = 0;
};

using Outputs = std::vector<std::vector<uint8_t>>; ///< the bytes of each

struct Side {
  Model &model;
  const audit::Plan plan;
  std::unique_ptr<State> state;

  /// What is called for so many tokens.
  const FunctionDescription &functionFor(uint64_t tokens) const {
    return model.description().functions[tokens == 1 ? plan.step : plan.prefill];
  }

  /// Calls it with `ids` behind the `start` tokens that the state holds. Throws what runCall throws.
  Outputs call(std::span<const int32_t> ids, uint64_t start, Wanted wanted, const CancelFlag *cancel) const;
};

/// `count` numbers of an output from one on, or all of them.
std::vector<float> numbersOf(const std::vector<uint8_t> &bytes, ElementType element, uint64_t first, uint64_t count);
std::vector<float> numbersOf(const std::vector<uint8_t> &bytes, ElementType element);

/// Rows and their length of a function's output; 0 where it has none for a token.
uint64_t widthOf(const TensorDescription &output);

} // namespace kvasir::runtime::diff

#endif
