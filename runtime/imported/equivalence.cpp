// SPDX-License-Identifier: MIT
// The same tokens by several functions, and in calls of several lengths: rows and outputs must be the same.
#include "runtime/imported/package_audit.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvasir::imported {
namespace {

float largestOf(const Tensor &tensor) {
  float largest = 0;
  for (uint64_t i = 0; i < tensor.numElements(); ++i)
    if (const float size = std::fabs(tensor.at(i)); std::isfinite(size))
      largest = std::max(largest, size);
  return largest;
}

bool isInteger(const Tensor &tensor) { return tensor.element == ElementType::i8 || tensor.element == ElementType::u8; }

/// The last step of a run that ends at this token; null if none does.
const Step *stepEndingAt(const Run &run, uint64_t end) {
  for (const Step &step : run.steps)
    if (step.position + step.numTokens == end)
      return &step;
  return nullptr;
}

/// Is one row a multiple of the other?
bool isScaled(const std::vector<float> &left, const std::vector<float> &right) {
  double product = 0, square = 0, error = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    product += double{left[i]} * right[i];
    square += double{right[i]} * right[i];
  }
  const double factor = square > 0 ? product / square : 0;
  for (size_t i = 0; i < left.size(); ++i)
    error += std::pow(left[i] - factor * right[i], 2);
  return factor != 0 && error < 1e-4 * factor * factor * square;
}

bool isPermuted(std::vector<float> left, std::vector<float> right, float largest) {
  std::ranges::sort(left);
  std::ranges::sort(right);
  return isClose(left, right, largest, false);
}

} // namespace

bool isClose(const std::vector<float> &left, const std::vector<float> &right, float largest, bool isInteger) {
  const float room = isInteger ? 1.01f : 0.02f * largest + 1e-6f;
  return std::ranges::equal(left, right, [&](float a, float b) {
    return a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= room;
  });
}

void PackageAudit::compareRuns() {
  for (const Series &each : series)
    for (const Run &run : each.runs)
      compareWith(each.shortest, run);
}

/// Up to the first step that differs: what comes after it goes on from other rows.
void PackageAudit::compareWith(const Run &shortest, const Run &run) {
  for (const Step &step : run.steps) {
    const Step *due = stepEndingAt(shortest, step.position + step.numTokens);
    if (!due)
      continue;
    if (hasError(*step.function) || hasError(*due->function) || !compareCaches(run.start, *due, step) ||
        !compareRegisters(*due, step) || !compareOutputs(shortest, step))
      return;
  }
}

/// A state of so many tokens: the rows and registers that a step left, over and over.
Tensors PackageAudit::longState(const Step &step, uint64_t position) const {
  Tensors state = session.stateAt(position);
  for (auto &[name, value] : state)
    if (!session.axes.contains(name) && !session.counters.contains(name))
      value = step.states.at(name);
  const uint64_t end = step.position + step.numTokens;
  for (const auto &[name, axes] : session.axes) {
    const CacheForm &form = session.forms.at(name);
    const Tensor &from = step.states.at(name);
    Tensor &to = state.at(name);
    const Rows source(from.dims, axes), target(to.dims, axes);
    const size_t sizeBytes = to.elementBytes();
    for (uint64_t token = 0; token < position; ++token) {
      const uint64_t like = end - 1 - (position - 1 - token) % std::min(end, form.numRows);
      if (!form.holds(token, position) || !form.holds(like, end))
        continue;
      for (uint64_t slab = 0; slab < target.numSlabs(); ++slab)
        for (uint64_t i = 0; i < target.rowElements(); ++i)
          std::memcpy(&to.bytes[target.offset(slab, form.rowOf(token, position), i) * sizeBytes],
                      &from.bytes[source.offset(slab, form.rowOf(like, end), i) * sizeBytes], sizeBytes);
    }
  }
  return state;
}

/// In the middle of the caches and at their end, behind rows as if of earlier calls.
void PackageAudit::compareFar() {
  for (const Series &each : series)
    for (const HostFunction &function : functions) {
      const uint64_t count = chunkOf(function);
      if (!each.reference || each.shortest.steps.empty() || function.takesVectors != each.reference->takesVectors ||
          !isPlayed(function) || isFirstOnly(function) || !canBePlaced(function) || !canBePlaced(*each.reference))
        continue;
      for (const uint64_t position : farPositions(count))
        if (!hasError(function) && !hasError(*each.reference))
          compareAt(position, {&function, count}, each);
    }
}

void PackageAudit::compareAt(uint64_t position, const Piece &piece, const Series &like) {
  const uint64_t ofReference = leastTokensOf(*like.reference);
  if (piece.numTokens % ofReference != 0)
    return;
  const Tensors state = longState(like.shortest.steps.back(), position);
  const Run shortest =
      session.runFrom(state, position, std::vector<Piece>(piece.numTokens / ofReference, {like.reference, ofReference}),
                      Session::Watch::rows);
  const Run run = session.runFrom(state, position, {piece}, Session::Watch::rows);
  for (const Run *each : {&shortest, &run}) {
    if (!each->failure.empty() && session.cache().style == CacheStyle::linear)
      notes.push_back(each->failure);
    collectFacts(*each);
  }
  judgeRows();
  compareWith(shortest, run);
}

/// The first token from `start` on whose rows differ, and in which slabs; nothing if all are the same.
std::optional<PackageAudit::Difference> PackageAudit::findDifference(const std::string &state, uint64_t start,
                                                                     const Step &due, const Step &found) const {
  const uint64_t end = due.position + due.numTokens;
  const float largest = largestOf(due.states.at(state));
  for (uint64_t token = start; token < end; ++token) {
    const auto left = rowsOf(due, state, token), right = rowsOf(found, state, token);
    Difference difference{state, token, {}};
    for (size_t slab = 0; slab < left.size(); ++slab)
      if (!isClose(left[slab], right[slab], largest, isInteger(due.states.at(state))))
        difference.slabs.push_back(slab);
    if (!difference.slabs.empty())
      return difference;
  }
  return std::nullopt;
}

std::vector<std::vector<float>> PackageAudit::rowsOf(const Step &step, const std::string &state, uint64_t token) const {
  return tokenRows(step.states.at(state), session.axes.at(state), session.forms.at(state), token,
                   step.position + step.numTokens);
}

bool PackageAudit::compareCaches(uint64_t start, const Step &due, const Step &found) {
  std::vector<Difference> differences;
  for (const auto &[state, ignored] : session.axes)
    if (auto difference = findDifference(state, start, due, found))
      differences.push_back(std::move(*difference));
  // The first layer's rows come from the tokens alone; those of others from what it attended to.
  size_t firstSlab = SIZE_MAX;
  for (const Difference &each : differences)
    firstSlab = std::min(firstSlab, each.slabs[0]);
  const bool isDeep = firstSlab > 0;
  if (!differences.empty() && isDeep)
    add(BugClass::wrongMask, found.function->name(), "",
        "rows of token " + std::to_string(differences[0].token) + " in '" + differences[0].state +
            "' are others than those of function " + due.function->name() +
            ", though those of the first layer are the same");
  for (const Difference &each : differences)
    if (!isDeep && each.slabs[0] == firstSlab)
      judgeDifference(each, due, found);
  return differences.empty();
}

/// What one slab of a cache holds is what another, of this cache or of one like it, is to hold; the name of that cache.
std::string PackageAudit::ownerOf(const Difference &difference, const Step &due, const Step &found) const {
  const size_t slab = difference.slabs[0];
  const std::vector<float> row = rowsOf(found, difference.state, difference.token)[slab];
  for (const auto &[state, axes] : session.axes) {
    if (axes != session.axes.at(difference.state) || due.states.at(state).dims != due.states.at(difference.state).dims)
      continue;
    const auto rows = rowsOf(due, state, difference.token);
    for (size_t other = 0; other < rows.size(); ++other)
      if ((state != difference.state || other != slab) &&
          isClose(rows[other], row, largestOf(due.states.at(state)), isInteger(due.states.at(state))))
        return state;
  }
  return "";
}

void PackageAudit::judgeDifference(const Difference &difference, const Step &due, const Step &found) {
  const HostFunction &function = *found.function, &other = *due.function;
  const std::string &state = difference.state;
  if (const std::string owner = ownerOf(difference, due, found); !owner.empty()) {
    // Where nothing tells, the one for single tokens: it is the one that is written by hand.
    const bool isFirst = known.crossed.contains(function.name()) && !known.crossed.contains(other.name());
    const HostFunction &guilty = isFirst ? function : other, &right = isFirst ? other : function;
    return add(BugClass::wrongSlab, guilty.name(), state,
               "holds what function " + right.name() + " keeps in " + (owner == state ? "another slab" : owner));
  }
  const bool depends = dependsOnPosition(function, state), otherDepends = dependsOnPosition(other, state);
  if (depends != otherDepends)
    return add(BugClass::layoutsDiffer, (depends ? other : function).name(), state,
               "its rows do not depend on their position, those of function " + (depends ? function : other).name() +
                   " do: one stores keys before, the other after positions are put in");
  const size_t slab = difference.slabs[0];
  const auto left = rowsOf(due, state, difference.token)[slab], right = rowsOf(found, state, difference.token)[slab];
  const std::string where =
      "the row of token " + std::to_string(difference.token) + " is another than that of function " + other.name();
  if (isScaled(right, left))
    return add(BugClass::layoutsDiffer, function.name(), state, where + ", times a factor");
  if (isPermuted(right, left, largestOf(due.states.at(state))))
    return add(BugClass::layoutsDiffer, function.name(), state, where + ", its numbers in another order");
  if (depends)
    return add(BugClass::phase, function.name(), state,
               where + ", and both depend on their position: it puts in another position than the row's");
  add(BugClass::layoutsDiffer, function.name(), state, where);
}

/// States without rows.
bool PackageAudit::compareRegisters(const Step &due, const Step &found) {
  std::vector<std::string> differing;
  for (const auto &[name, value] : due.states) {
    std::vector<float> left, right;
    for (uint64_t i = 0; i < value.numElements(); ++i) {
      left.push_back(value.at(i));
      right.push_back(found.states.at(name).at(i));
    }
    if (!session.axes.contains(name) && !isClose(left, right, largestOf(value), isInteger(value)))
      differing.push_back(name);
  }
  for (const std::string &name : differing)
    add(BugClass::fewerRows, found.function->name(), name,
        "holds something else after a call of " + std::to_string(found.numTokens) +
            " tokens than after as many calls of one: not all of its tokens get into it");
  return differing.empty();
}

bool PackageAudit::compareOutputs(const Run &shortest, const Step &step) {
  for (const auto &[name, output] : step.outputs) {
    const auto tokens = tokenOutputs(output, *step.function, step.numTokens);
    for (uint64_t i = 0; i < tokens.size(); ++i) {
      const uint64_t token = step.position + step.numTokens - tokens.size() + i;
      const Step *due = shortest.stepOf(token);
      if (!due || !due->outputs.contains(name))
        continue;
      const auto all = tokenOutputs(due->outputs.at(name), *due->function, due->numTokens);
      const uint64_t numBehind = due->position + due->numTokens - 1 - token;
      if (numBehind >= all.size()) // only the last token has outputs
        continue;
      const auto &expected = all[all.size() - 1 - numBehind];
      if (expected.size() != tokens[i].size() || isClose(expected, tokens[i], largestOf(due->outputs.at(name)), false))
        continue;
      add(BugClass::wrongMask, step.function->name(), "",
          "output '" + name + "' of token " + std::to_string(token) + " is another than that of function " +
              due->function->name() + ", and all rows are the same");
      return false;
    }
  }
  return true;
}

} // namespace kvasir::imported
