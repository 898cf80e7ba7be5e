// SPDX-License-Identifier: MIT
// What depends on what: a token's rows and outputs on later tokens, on other sequences, on rows that nobody wrote.
#include "runtime/imported/package_audit.h"

#include <algorithm>

namespace kvasir::imported {
namespace {

std::vector<std::vector<float>> outputsOf(const Step &step, const std::string &name) {
  return tokenOutputs(step.outputs.at(name), *step.function, step.numTokens);
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
  const Run changed = session.run({{&function, plain.numTokens()}}, Session::Watch::off, token);
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
  const Run changed = session.run({{&function, plain.numTokens()}}, Session::Watch::off, 0, int64_t(last));
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

/// Does the row of a token depend on where the token is? Asked of tokens that see nothing but themselves.
bool PackageAudit::dependsOnPosition(const HostFunction &function, const std::string &state) const {
  Session alone = session;
  alone.setCache({session.cache().style, session.cache().numRows, 1});
  const uint64_t count = function.isAnyLength() ? function.leastTokens : function.mostTokens;
  const uint64_t position = std::min(count, session.cache().numRows - std::min(session.cache().numRows, count));
  const auto rowsAt = [&](uint64_t at) {
    Tensors held = program.zeroState();
    alone.call({&function, session.ids(function, 0, count), at}, held);
    return tokenRows(held.at(state), session.axes.at(state), session.cache(), at, at + count);
  };
  try {
    return rowsAt(0) != rowsAt(position);
  } catch (const Error &) {
    return false;
  }
}

/// What is wrong with what a function attends to; null if nothing can be told.
const char *PackageAudit::attentionFault(const HostFunction &function) const {
  const uint64_t count = function.isAnyLength() ? function.leastTokens : function.mostTokens;
  const uint64_t position = count;
  const uint64_t numRows = session.cache().numRows;
  if (session.cache().style != CacheStyle::linear || function.style == PositionStyle::internal ||
      position + count >= numRows)
    return nullptr;
  const auto outputsWith = [&](uint64_t first, uint64_t last, uint64_t seed) {
    Tensors state = program.zeroState();
    for (const auto &[name, axes] : session.axes) {
      Tensor &value = state.at(name);
      const Tensor filled = fill(value, seed);
      const Rows rows(value.dims, axes);
      for (uint64_t slab = 0; slab < rows.numSlabs(); ++slab)
        for (uint64_t row = first; row < std::min(last, rows.numRows()); ++row)
          for (uint64_t i = 0; i < rows.rowElements(); ++i)
            value.set(rows.offset(slab, row, i), filled.at(rows.offset(slab, row, i)));
    }
    return session.call({&function, session.ids(function, position, count), position}, state);
  };
  try {
    if (outputsWith(position + count, numRows, 1) != outputsWith(position + count, numRows, 2))
      return "attends to rows behind its last token, which nobody has written";
    if (outputsWith(0, position, 1) == outputsWith(0, position, 2))
      return "does not attend to the rows of earlier calls";
  } catch (const Error &) {
  }
  return nullptr;
}

} // namespace kvasir::imported
