// SPDX-License-Identifier: MIT
#include "runtime/imported/attention_probe.h"

#include <algorithm>
#include <cmath>

namespace kvasir::imported {
namespace {

/// Numbers that rows get, times a factor.
struct Trial {
  uint64_t seed;
  double factor;
};

constexpr Trial kTrials[] = {{1, 1}, {1, -1}, {2, 8}, {2, -8}, {3, 64}, {3, -64}};
constexpr size_t kNumTrials = std::size(kTrials), kNumMild = 2;

/// Both of a pair of trials together turn the sign of keys that are stored as codes with a scale each: of the scales.
double numberOf(ElementType element, uint64_t index, size_t trial, bool isNegated, bool hasScales) {
  const auto [seed, factor] = kTrials[trial];
  if (element == ElementType::u8)
    return fillNumber(element, index, seed + (isNegated ? kNumTrials : 0));
  const double turned = hasScales && !isFloat(element) ? std::fabs(factor) : factor;
  return turned * fillNumber(element, index, seed) * (isNegated ? -1 : 1);
}

void append(std::vector<uint8_t> &bytes, const void *first, size_t sizeBytes) {
  const auto *begin = static_cast<const uint8_t *>(first);
  bytes.insert(bytes.end(), begin, begin + sizeBytes);
}

} // namespace

AttentionProbe::AttentionProbe(const Session &session, const HostFunction &function, uint64_t numTokens)
    : session(session), function(function), numTokens(numTokens),
      hasScales(std::ranges::any_of(session.program().zeroState(), [&](const auto &each) {
        return session.axes.contains(each.first) && isFloat(each.second.element);
      })) {}

std::vector<SlabGroup> AttentionProbe::wholeStates() const {
  std::vector<SlabGroup> groups;
  for (const auto &[state, axes] : session.axes)
    groups.push_back({state, 0, Rows(session.program().findSlot(state)->shape, axes).numSlabs()});
  return groups;
}

AttentionProbe::RowsOfStates AttentionProbe::rowsOfTokens(uint64_t position, uint64_t first, uint64_t last) const {
  RowsOfStates rows;
  for (const auto &[state, form] : session.forms)
    for (uint64_t token = first; token < last; ++token)
      if (form.holds(token, position))
        rows[state].push_back(form.rowOf(token, position));
  return rows;
}

AttentionProbe::RowsOfStates AttentionProbe::ownRows(uint64_t position) const {
  RowsOfStates rows;
  for (const auto &[state, form] : session.forms)
    for (uint64_t token = position; token < position + numTokens && form.style != CacheStyle::shift; ++token)
      if (const uint64_t row = form.rowOf(token, position + numTokens); row < form.numRows)
        rows[state].push_back(row);
  return rows;
}

bool AttentionProbe::dependsOnTokens(const SlabGroup &group, uint64_t position, uint64_t first, uint64_t last) {
  return depends(rowsOfTokens(position, first, last), {group}, position, kNumTrials);
}

bool AttentionProbe::dependsOnOverwritten(const std::string &state, uint64_t position) {
  const auto groups = wholeStates();
  return depends(ownRows(position), {*std::ranges::find(groups, state, &SlabGroup::state)}, position, kNumMild);
}

bool AttentionProbe::dependsOnUnwritten(uint64_t position) {
  RowsOfStates written = rowsOfTokens(position, 0, position), rows;
  for (const auto &[state, own] : ownRows(position))
    written[state].insert(written[state].end(), own.begin(), own.end());
  for (const auto &[state, form] : session.forms) {
    std::vector<bool> isWritten(form.numRows);
    for (const uint64_t row : written[state])
      isWritten[row] = true;
    for (uint64_t row = 0; row < form.numRows; ++row)
      if (!isWritten[row])
        rows[state].push_back(row);
  }
  return depends(rows, wholeStates(), position, kNumMild);
}

Tensors AttentionProbe::outputsAt(uint64_t position) const {
  Tensors state = session.stateAt(position);
  return session.call({&function, session.ids(function, position, numTokens), position}, state);
}

bool AttentionProbe::depends(const RowsOfStates &rows, const std::vector<SlabGroup> &groups, uint64_t position,
                             size_t numTrials) {
  if (rows.empty())
    return false;
  for (size_t trial = 0; trial < numTrials; ++trial) {
    Tensors state = session.stateAt(position);
    putRows(state, rows, trial);
    std::vector<uint8_t> &plain = results[{rows, {position, trial}}];
    if (plain.empty())
      plain = resultOf(state, position);
    for (const SlabGroup &group : groups)
      negateRows(state, rows, group, trial);
    if (resultOf(std::move(state), position) != plain)
      return true;
  }
  return false;
}

void AttentionProbe::putRows(Tensors &state, const RowsOfStates &rows, size_t trial) const {
  for (const auto &[name, own] : rows) {
    Tensor &value = state.at(name);
    const Rows places(value.dims, session.axes.at(name));
    for (uint64_t slab = 0; slab < places.numSlabs(); ++slab)
      for (const uint64_t row : own)
        for (uint64_t i = 0; i < places.rowElements(); ++i)
          value.set(places.offset(slab, row, i),
                    numberOf(value.element, places.offset(slab, row, i), trial, false, hasScales));
  }
}

void AttentionProbe::negateRows(Tensors &state, const RowsOfStates &rows, const SlabGroup &group, size_t trial) const {
  const auto own = rows.find(group.state);
  if (own == rows.end())
    return;
  Tensor &value = state.at(group.state);
  const Rows places(value.dims, session.axes.at(group.state));
  for (uint64_t slab = group.firstSlab; slab < group.firstSlab + group.numSlabs; ++slab)
    for (const uint64_t row : own->second)
      for (uint64_t i = 0; i < places.rowElements(); ++i)
        value.set(places.offset(slab, row, i),
                  numberOf(value.element, places.offset(slab, row, i), trial, true, hasScales));
}

std::vector<uint8_t> AttentionProbe::resultOf(Tensors state, uint64_t position) const {
  const Tensors outputs = session.call({&function, session.ids(function, position, numTokens), position}, state);
  std::vector<uint8_t> bytes = {1}; // never empty
  for (const auto &[name, output] : outputs)
    append(bytes, output.bytes.data(), output.bytes.size());
  const uint64_t end = position + numTokens;
  for (const auto &[name, value] : state)
    if (const auto axes = session.axes.find(name); axes == session.axes.end())
      append(bytes, value.bytes.data(), value.bytes.size());
    else
      for (uint64_t token = position; token < end; ++token)
        for (const auto &row : tokenRows(value, axes->second, session.forms.at(name), token, end))
          append(bytes, row.data(), row.size() * sizeof row[0]);
  return bytes;
}

} // namespace kvasir::imported
