// SPDX-License-Identifier: MIT
#include "runtime/imported/against.h"

#include "runtime/imported/host.h"
#include "runtime/imported/row_map.h"

#include <cmath>

namespace kvasir::imported {
namespace {

constexpr uint64_t kCalls = 3;

bool areClose(const Tensor &left, const Tensor &right) {
  if (left.dims != right.dims)
    return false;
  for (uint64_t i = 0; i < left.numElements(); ++i)
    if (const float a = left.at(i), b = right.at(i); a != b && !(std::fabs(a - b) <= 0.01f * std::fabs(b) + 1e-4f))
      return false;
  return true;
}

/// The first of `right` that `left` has otherwise, or not; empty if there is none.
std::string firstDifference(const Tensors &left, const Tensors &right) {
  for (const auto &[name, value] : right)
    if (const auto found = left.find(name); found == left.end() || !areClose(found->second, value))
      return name;
  return "";
}

std::optional<PackageFinding> compareFunction(const Program &program, const Program &right,
                                              const FunctionDescription &function, const std::string &other) {
  Tensors state = program.zeroState(), due = right.zeroState();
  const auto &slots = program.description().slots;
  for (uint64_t number = 0; number < kCalls; ++number) {
    const Tensors inputs = madeUpInputs(function, number);
    const Tensors outputs = program.call(function.name, state, inputs);
    const Tensors dueOutputs = right.call(function.name, due, inputs);
    const std::string changed = firstDifference(state, due);
    const std::string output = firstDifference(outputs, dueOutputs);
    if (changed.empty() && output.empty())
      continue;
    const std::string what = changed.empty() ? "output '" + output + "'" : "state '" + changed + "'";
    const std::string about = !changed.empty() ? changed : slots.size() == 1 ? slots[0].name : "";
    return PackageFinding{int(BugClass::reordered),
                          Severity::info,
                          function.name,
                          about,
                          "",
                          "",
                          "",
                          "function '" + function.name + "': " + what + " of call " + std::to_string(number + 1) +
                              " is another than that of " + other +
                              ": reads and writes of the state were merged or reordered on the way"};
  }
  return std::nullopt;
}

} // namespace

std::vector<PackageFinding> compareWith(const Program &program, const Program &right, const std::string &other) {
  std::vector<PackageFinding> findings;
  for (const FunctionDescription &function : program.description().functions)
    if (right.findFunction(function.name))
      if (auto finding = compareFunction(program, right, function, other))
        findings.push_back(std::move(*finding));
  return findings;
}

} // namespace kvasir::imported
