// SPDX-License-Identifier: MIT
#include "runtime/profile/step_name.h"

#include <algorithm>

namespace kvasir::runtime::profile {
namespace {

constexpr std::string_view kEmbedding = "lm.embedding";
constexpr size_t kMostParts = 6;

/// "blk.{layer}.attn_q", "blk.29.attn_q" => "blk.*.attn_q"
std::string starLayer(const std::string &place) {
  std::string starred;
  for (size_t begin = 0, end; begin <= place.size(); begin = end + 1) {
    end = std::min(place.find('.', begin), place.size());
    const std::string part = place.substr(begin, end - begin);
    const bool isNumber = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    starred += (begin ? "." : "") + (begin && (isNumber || part == "{layer}") ? "*" : part);
  }
  return starred;
}

/// Products of matrices and attention: what has weights and is no norm, or rows of the state.
bool isMost(const StepOp &op) {
  return !op.keys.empty() || (!op.weights.empty() && op.op.find("norm") == std::string::npos);
}

std::string opName(const StepTable &table, const StepOp &op) {
  if (op.op == kEmbedding)
    return "embedding";
  const bool isTied = std::ranges::any_of(
      table.ops, [&](const StepOp &other) { return other.op == kEmbedding && other.place == op.place; });
  return isTied ? "output (" + op.place + ")" : starLayer(op.place);
}

/// How much of two names is alike, up to the end of a word.
size_t sharedPrefix(const std::string &a, const std::string &b) {
  const size_t length = std::ranges::mismatch(a, b).in1 - a.begin();
  const size_t border = std::string_view(a).substr(0, length).find_last_of("._");
  return border == std::string::npos ? 0 : border + 1;
}

} // namespace

std::string stepName(const StepTable &table, const CodeStep &step) {
  std::vector<std::string> all, most;
  for (const uint32_t number : step.ops) {
    const StepOp &op = table.ops[number];
    std::string name = opName(table, op);
    if (isMost(op) && std::ranges::find(most, name) == most.end())
      most.push_back(name);
    if (std::ranges::find(all, name) == all.end())
      all.push_back(std::move(name));
  }
  const std::vector<std::string> &names = most.empty() ? all : most;
  if (names.empty())
    return step.kernel.empty() ? "unnamed" : step.kernel;
  if (names.size() > kMostParts)
    return all.front() + " … " + all.back() + " (" + std::to_string(all.size()) + " ops)";
  size_t prefix = names.front().size();
  for (size_t i = 1; i < names.size(); ++i)
    prefix = std::min(prefix, sharedPrefix(names.front(), names[i]));
  std::string joined = names.front();
  for (size_t i = 1; i < names.size(); ++i)
    joined += "+" + names[i].substr(prefix);
  return joined;
}

} // namespace kvasir::runtime::profile
