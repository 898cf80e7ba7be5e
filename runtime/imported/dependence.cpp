// SPDX-License-Identifier: MIT
// What depends on what: a token's rows and outputs on later tokens, on other sequences, on where the token is.
#include "runtime/imported/package_audit.h"

#include <algorithm>
#include <cmath>

namespace kvasir::imported {
namespace {

std::vector<std::vector<float>> outputsOf(const Step &step, const std::string &name) {
  return tokenOutputs(step.outputs.at(name), *step.function, step.numTokens);
}

float largestOf(const std::vector<float> &row) {
  float largest = 0;
  for (const float number : row)
    largest = std::max(largest, std::fabs(number));
  return largest;
}

/// NaN counts as equal to itself.
bool areSame(const std::vector<std::vector<float>> &left, const std::vector<std::vector<float>> &right) {
  return std::ranges::equal(left, right, [](const auto &a, const auto &b) { return isClose(a, b, 0, false); });
}

} // namespace

/// One token of a call gets another id: nothing of the tokens before it may change.
void PackageAudit::perturb() {
  for (const HostFunction &function : functions) {
    const uint64_t count = chunkOf(function);
    if (!isPlayed(function))
      continue;
    const Run plain = session.run({{&function, count}}, Session::Watch::off);
    if (!plain.failure.empty())
      continue;
    for (const uint64_t token : {count / 2, count - 1})
      if (token > 0 && !hasError(function))
        perturbToken(function, plain, token);
    if (function.batch > 1)
      perturbSequence(function, plain);
  }
}

void PackageAudit::perturbToken(const HostFunction &function, const Run &plain, uint64_t token) {
  const Run changed = session.run({{&function, plain.end()}}, Session::Watch::off, token);
  if (!changed.failure.empty())
    return;
  const Step &before = plain.steps[0], &after = changed.steps[0];
  const std::string sentence =
      "token " + std::to_string(token) + " of a call of " + std::to_string(before.numTokens) + " changes ";
  bool isFound = false;
  for (const auto &[state, ignored] : session.axes)
    for (uint64_t earlier = 0; earlier < token && !hasError(function, state); ++earlier)
      if (!areSame(rowsOf(before, state, earlier), rowsOf(after, state, earlier))) {
        add(BugClass::notCausal, function.name(), state,
            sentence + "the row of token " + std::to_string(earlier) + ", which is before it: tokens see their future");
        isFound = true;
      }
  for (const auto &[name, ignored] : before.outputs) {
    const auto left = outputsOf(before, name), right = outputsOf(after, name);
    for (uint64_t earlier = 0; earlier < token && !isFound && left.size() == before.numTokens; ++earlier)
      if (!isClose(left[earlier], right[earlier], 0, false)) {
        add(BugClass::notCausal, function.name(), "",
            sentence + "output '" + name + "' of token " + std::to_string(earlier) +
                ", which is before it: tokens see their future");
        isFound = true;
      }
  }
}

/// Slab axes that may count the sequences of the batch: those of their number.
std::vector<size_t> PackageAudit::batchAxes(const HostFunction &function, const std::string &state) const {
  std::vector<size_t> axes;
  for (const size_t axis : session.axes.at(state).slabs)
    if (function.batch > 1 && program.findSlot(state)->shape[axis] == function.batch)
      axes.push_back(axis);
  return axes;
}

/// Is nothing changed but at this index of the axis?
bool PackageAudit::isSequenceAlone(const Tensor &before, const Tensor &after, size_t axis, uint64_t sequence) const {
  uint64_t inner = 1;
  for (size_t i = axis + 1; i < before.dims.size(); ++i)
    inner *= before.dims[i];
  for (uint64_t i = 0; i < before.numElements(); ++i)
    if (i / inner % before.dims[axis] != sequence && before.at(i) != after.at(i))
      return false;
  return true;
}

/// The last sequence gets another token: nothing of the others may change.
void PackageAudit::perturbSequence(const HostFunction &function, const Run &plain) {
  const uint64_t last = function.batch - 1;
  const Run changed = session.run({{&function, plain.end()}}, Session::Watch::off, 0, int64_t(last));
  for (const auto &[state, ignored] : session.axes) {
    const auto axes = batchAxes(function, state);
    if (axes.empty() || !changed.failure.empty() || hasError(function, state))
      continue;
    const Tensor &before = plain.steps[0].states.at(state), &after = changed.steps[0].states.at(state);
    const bool isAlone = std::ranges::any_of(
        axes, [&](size_t axis) { return isSequenceAlone(before, after, axis, last) && before != after; });
    if (!isAlone)
      add(BugClass::otherSequence, function.name(), state,
          "another token in sequence " + std::to_string(last) +
              (before == after ? " changes no row of it" : " changes rows of other sequences"));
  }
}

/// The rows, by slab, of the first tokens at a position, behind zeros or numbers: of tokens that see nothing but
/// themselves, if the mask is the host's.
std::vector<std::vector<float>> PackageAudit::rowsAlone(const HostFunction &function, const std::string &state,
                                                        uint64_t position, bool isFilled) const {
  Session alone = session;
  alone.setWindows(1);
  const uint64_t count = leastTokensOf(function);
  Tensors held = alone.stateAt(position);
  for (const auto &[name, ignored] : session.axes)
    held.at(name) = isFilled ? fill(held.at(name), 1) : held.at(name);
  alone.call({&function, session.ids(function, 0, count), position}, held);
  return tokenRows(held.at(state), session.axes.at(state), session.forms.at(state), position, position + count);
}

/// Does the row of a token depend on where the token is?
bool PackageAudit::dependsOnPosition(const HostFunction &function, const std::string &state) const {
  const uint64_t count = leastTokensOf(function);
  const uint64_t position = std::min(count, session.cache().numRows - std::min(session.cache().numRows, count));
  try {
    return rowsAlone(function, state, 0) != rowsAlone(function, state, position);
  } catch (const Error &) {
    return false;
  }
}

/// Rows that depend on their position at the front must do so at the end. Types that round positions make pairs of
/// them, so some are tried.
void PackageAudit::checkPhases() {
  constexpr uint64_t kTried = 4;
  for (const HostFunction &function : functions) {
    const CacheForm cache = session.cache();
    const uint64_t numBefore = leastTokensOf(function) + kTried;
    if (!isPlayed(function) || isFirstOnly(function) || !canBePlaced(function) || numBefore >= cache.numRows ||
        cache.style != CacheStyle::linear)
      continue;
    for (const auto &[state, ignored] : session.axes)
      for (uint64_t position = cache.numRows - numBefore; position + 1 < cache.numRows - numBefore + kTried; ++position)
        if (!hasError(function))
          checkPhase(function, state, position);
  }
}

void PackageAudit::checkPhase(const HostFunction &function, const std::string &state, uint64_t position) {
  try {
    const auto first = rowsAlone(function, state, 0), second = rowsAlone(function, state, 1);
    const auto behindOthers = rowsAlone(function, state, 1, true); // the same in the first layer
    const auto left = rowsAlone(function, state, position), right = rowsAlone(function, state, position + 1);
    for (size_t slab = 0; slab < first.size(); ++slab)
      if (!isClose(first[slab], second[slab], largestOf(first[slab]), false) && second[slab] == behindOthers[slab] &&
          left[slab] == right[slab])
        return add(BugClass::phase, function.name(), state,
                   "the row of a token is the same at positions " + std::to_string(position) + " and " +
                       std::to_string(position + 1) + ", and is not at 0 and 1: positions are rounded or clamped");
  } catch (const Error &error) {
    notes.push_back(function.name() + " at position " + std::to_string(position) + ": " + error.what());
  }
}

} // namespace kvasir::imported
