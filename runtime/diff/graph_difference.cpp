// SPDX-License-Identifier: MIT
#include "runtime/diff/graph.h"

#include <algorithm>

namespace kvasir::runtime::diff {
namespace {

std::string slotText(const std::optional<SlotLayer> &slot) {
  return slot ? "layer " + std::to_string(slot->layer) + " of slot " + slot->slot : "no slot";
}

/// What made a tensor: "blk.0.attn_v", or an input.
std::string makerOf(const FunctionGraph &graph, size_t tensor) {
  for (const Step &step : graph.steps)
    if (std::ranges::find(step.outputs, tensor) != step.outputs.end())
      return step.at + " (" + step.op + ")";
  return "an input";
}

/// What differs between two steps that stand in one place; nothing if they are alike.
std::string differenceOf(const FunctionGraph &a, const FunctionGraph &b, const Step &one, const Step &other) {
  if (one.op != other.op || one.place != other.place)
    return "is " + one.op + " in A, and " + other.at + " (" + other.op + ") stands there in B";
  for (size_t i = 0; i < std::min(one.inputs.size(), other.inputs.size()); ++i)
    if (one.inputs[i] != other.inputs[i])
      return "takes what " + makerOf(a, one.inputs[i]) + " makes in A, and what " + makerOf(b, other.inputs[i]) +
             " makes in B";
  if (one.appends != other.appends)
    return "appends to " + slotText(one.appends) + " in A, to " + slotText(other.appends) + " in B";
  if (one.keys != other.keys)
    return "attends to the keys of " + slotText(one.keys) + " in A, of " + slotText(other.keys) + " in B";
  if (one.values != other.values)
    return "attends to the values of " + slotText(one.values) + " in A, of " + slotText(other.values) + " in B";
  if (one.scale != other.scale || one.softcap != other.softcap || one.windowTokens != other.windowTokens ||
      one.isCausal != other.isCausal || one.hasSinks != other.hasSinks)
    return "attends with another scale, cap, window or mask in B, or sinks in one of them";
  return one.layer != other.layer || one.inputs.size() != other.inputs.size() ? "has other weights or inputs in B" : "";
}

} // namespace

std::string firstDifference(const FunctionGraph &a, const FunctionGraph &b) {
  for (size_t i = 0; i < std::min(a.steps.size(), b.steps.size()); ++i)
    if (const std::string difference = differenceOf(a, b, a.steps[i], b.steps[i]); !difference.empty())
      return a.steps[i].at + " " + difference;
  if (a.steps.size() != b.steps.size())
    return std::to_string(a.steps.size()) + " ops in A, " + std::to_string(b.steps.size()) + " in B";
  return "";
}

} // namespace kvasir::runtime::diff
