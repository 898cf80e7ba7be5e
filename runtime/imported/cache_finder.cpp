// SPDX-License-Identifier: MIT
// Which states hold rows, and along which axis: the one along which a call changes as many indices as it has tokens.
#include "runtime/imported/package_audit.h"

#include <algorithm>
#include <cstring>

namespace kvasir::imported {
namespace {

/// A state before and after a call, filled in two ways.
struct FilledState {
  Tensor before[2], after[2];

  /// The elements that a call changed.
  std::vector<uint64_t> changed() const {
    const size_t size = before[0].elementBytes();
    std::vector<uint64_t> elements;
    for (uint64_t i = 0; i < before[0].numElements(); ++i)
      if (std::memcmp(&before[0].bytes[i * size], &after[0].bytes[i * size], size) != 0 ||
          std::memcmp(&before[1].bytes[i * size], &after[1].bytes[i * size], size) != 0)
        elements.push_back(i);
    return elements;
  }
};

/// Indices along one axis at which any of these elements lies.
uint64_t numIndices(const std::vector<uint64_t> &elements, const std::vector<uint64_t> &dims, size_t axis) {
  uint64_t inner = 1;
  for (size_t i = axis + 1; i < dims.size(); ++i)
    inner *= dims[i];
  std::vector<bool> isAmong(dims[axis]);
  for (const uint64_t element : elements)
    isAmong[element / inner % dims[axis]] = true;
  return static_cast<uint64_t>(std::ranges::count(isAmong, true));
}

std::vector<size_t> otherAxes(const std::vector<uint64_t> &dims, size_t token) {
  // The last axis is a row's elements, or the one before it where tokens come last.
  const size_t lanes = token + 1 == dims.size() ? dims.size() - 2 : dims.size() - 1;
  std::vector<size_t> axes;
  for (size_t axis = 0; axis < dims.size(); ++axis)
    if (axis != token && axis != lanes && dims[axis] > 1)
      axes.push_back(axis);
  return axes;
}

bool isMovedAlong(const FilledState &state, size_t axis) {
  const auto slabs = rowMap({state.before[0], state.after[0]}, {state.before[1], state.after[1]}, {axis, {}});
  return !slabs[0].moved.empty();
}

/// For each axis, how many calls speak for it.
struct Votes {
  std::map<size_t, unsigned> rows, moves;

  void count(const FilledState &state, uint64_t numTokens) {
    const std::vector<uint64_t> &dims = state.before[0].dims;
    const std::vector<uint64_t> changed = state.changed();
    const bool isAllNew = changed.size() == state.before[0].numElements();
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      if (dims[axis] <= numTokens || dims.size() < 2)
        continue;
      rows[axis] += numIndices(changed, dims, axis) == numTokens;
      moves[axis] += isAllNew && isMovedAlong(state, axis);
    }
  }

  /// The axis with the most votes, the longest among equals; nothing if there are none.
  static std::optional<size_t> winner(const std::map<size_t, unsigned> &votes, const std::vector<uint64_t> &dims) {
    std::optional<size_t> best;
    for (const auto &[axis, count] : votes)
      if (count > 0 && (!best || count > votes.at(*best) || (count == votes.at(*best) && dims[axis] > dims[*best])))
        best = axis;
    return best;
  }
};

} // namespace

/// Lowers the vocabulary until a call of each function succeeds at position 0; false if none does.
bool PackageAudit::lowerVocabulary() {
  bool isAnyCalled = false;
  for (const HostFunction &function : functions) {
    std::string failure;
    for (uint32_t vocabulary : {session.vocabulary, 16u, 8u, 4u, 2u}) {
      if (vocabulary > session.vocabulary)
        continue;
      Session trial = session;
      trial.vocabulary = vocabulary;
      const Run run = trial.run({{&function, chunkOf(function)}}, Session::Watch::off);
      failure = run.failure;
      if (failure.empty()) {
        session.vocabulary = vocabulary;
        break;
      }
    }
    if (!failure.empty())
      notes.push_back(failure);
    isAnyCalled |= failure.empty();
  }
  return isAnyCalled;
}

void PackageAudit::findCaches() {
  std::map<std::string, Votes> votes;
  for (const HostFunction &function : functions) {
    const HostCall call{&function, session.ids(function, 0, chunkOf(function)), 0};
    std::map<std::string, FilledState> states;
    try {
      for (size_t run = 0; run < 2; ++run) {
        Tensors state = program.zeroState();
        for (auto &[name, value] : state) {
          // One number is a counter, or might be: it stays what it is.
          value = value.numElements() > 1 ? fill(value, run + 1) : value;
          states[name].before[run] = value;
        }
        session.call(call, state);
        for (const auto &[name, value] : state)
          states[name].after[run] = value;
      }
    } catch (const Error &) {
      continue;
    }
    for (const auto &[name, state] : states)
      votes[name].count(state, call.numTokens());
  }
  // What moves without a mask that says how much of it counts is a register of the last inputs.
  const bool hasMask = std::ranges::any_of(functions, [](const HostFunction &each) { return !each.maskInput.empty(); });
  for (const SlotDescription &slot : program.description().slots) {
    const auto moved = Votes::winner(votes[slot.name].moves, slot.shape);
    if (moved && (!hasMask || slot.shape[*moved] <= mostTokens()))
      continue;
    const auto axis = moved ? moved : Votes::winner(votes[slot.name].rows, slot.shape);
    if (!axis)
      continue;
    session.axes[slot.name] = {*axis, otherAxes(slot.shape, *axis)};
    session.forms[slot.name] = {moved ? CacheStyle::shift : CacheStyle::linear, slot.shape[*axis]};
  }
  // A state that no call writes is like one of the same shape.
  for (const SlotDescription &slot : program.description().slots)
    for (const SlotDescription &other : program.description().slots)
      if (!session.axes.contains(slot.name) && !filledElsewhere.contains(slot.name) && slot.shape == other.shape &&
          session.axes.contains(other.name)) {
        session.axes[slot.name] = session.axes[other.name];
        session.forms[slot.name] = session.forms[other.name];
      }
}

/// Of the longest call that is made.
uint64_t PackageAudit::mostTokens() const {
  uint64_t most = 1;
  for (const HostFunction &function : functions)
    most = std::max(most, chunkOf(function));
  return most;
}

/// Caches that go on from the last row to the first, or to one behind a few first ones: some call behind the last row
/// succeeds, and writes that.
void PackageAudit::findRings() {
  std::set<uint64_t> extents;
  for (const auto &[state, form] : session.forms)
    if (form.style == CacheStyle::linear)
      extents.insert(form.numRows);
  for (const uint64_t numRows : extents)
    for (const HostFunction &function : functions)
      if (function.style == PositionStyle::input)
        findRingsOf(function, numRows);
  for (auto &[state, form] : session.forms)
    if (const uint64_t numTurning = form.numRows - form.numSinks;
        form.style != CacheStyle::linear && numTurning > mostTokens())
      form.window = numTurning - mostTokens() + 1;
}

void PackageAudit::findRingsOf(const HostFunction &function, uint64_t numRows) {
  Session trial = session;
  for (auto &[state, form] : trial.forms)
    if (form.numRows == numRows)
      form = {CacheStyle::ring, numRows, 1};
  const uint64_t count = chunkOf(function);
  // The first row that it writes at a position, by state.
  const auto firstRows = [&](uint64_t position) {
    std::map<std::string, uint64_t> rows;
    for (const auto &[state, slabs] :
         trial.rowsOf({&function, session.ids(function, position, count), position}, program.zeroState()))
      if (slabs[0].written.size() == count)
        rows[state] = slabs[0].written[0];
    return rows;
  };
  try {
    for (const auto &[state, row] : firstRows(numRows)) {
      CacheForm &form = session.forms.at(state);
      if (form.numRows != numRows || form.style != CacheStyle::linear || (row > 0 && (count > 1 || row + 1 >= numRows)))
        continue;
      const CacheForm ring{CacheStyle::ring, numRows, UINT64_MAX, row};
      const uint64_t turn = numRows - row;
      const bool turns =
          row == 0 || std::ranges::all_of(std::vector{row, numRows - 1, numRows + turn - 1, numRows + turn},
                                          [&](uint64_t position) {
                                            return firstRows(position)[state] == ring.rowOf(position, position + 1);
                                          });
      form = turns ? ring : form;
    }
  } catch (const Error &) {
  }
}

} // namespace kvasir::imported
