// SPDX-License-Identifier: MIT
#include "runtime/audit/compare.h"

#include "runtime/state/rows.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

namespace kvasir::runtime::audit {
namespace {

// 256 rows of 4096 elements are 4 MB.
constexpr uint64_t kRowsAtOnce = 256;

bool isCache(const State &state, size_t slot) { return state.slots()[slot].kind == SlotKind::cache; }

uint64_t hashOf(std::span<const float> values) { return XXH3_64bits(values.data(), values.size_bytes()); }

/// Calls body(layer, first row, count) for pieces of rows [first, end) of each layer.
template <typename Body> void forPieces(const SlotDescription &slot, uint64_t first, uint64_t end, Body &&body) {
  for (uint64_t layer = 0; layer < slot.layers; ++layer)
    for (uint64_t row = first; row < end; row += kRowsAtOnce)
      body(layer, row, std::min(kRowsAtOnce, end - row));
}

} // namespace

Tolerance toleranceOf(const SlotDescription &slot) {
  // A few roundings of the stored type add up over the layers; codes have a group's step.
  for (const Plane &plane : slot.layout.planes) {
    if (plane.role != PlaneRole::value)
      continue;
    switch (plane.element) {
    case ElementType::f32:
    case ElementType::f64:
      return {1.0 / 1024};
    case ElementType::f16:
      return {1.0 / 64};
    default:
      return {1.0 / 16};
    }
  }
  return {1.0 / 8};
}

std::optional<double> differenceOf(std::span<const float> values, std::span<const float> others, Tolerance tolerance) {
  if (values.size() == others.size() && std::memcmp(values.data(), others.data(), values.size_bytes()) == 0)
    return std::nullopt;
  double largest = 0, difference = 0;
  bool isFinite = values.size() == others.size();
  for (size_t i = 0; i < std::min(values.size(), others.size()); ++i) {
    largest = std::max({largest, std::fabs(double{values[i]}), std::fabs(double{others[i]})});
    const double apart = std::fabs(double{values[i]} - double{others[i]});
    difference = std::max(difference, apart);
    isFinite &= std::isfinite(apart);
  }
  if (!isFinite)
    return HUGE_VAL;
  return tolerance.share > 0 && difference <= tolerance.share * largest ? std::nullopt : std::optional(difference);
}

void compareRows(const State &state, const State &other, uint64_t endRow,
                 const std::function<Tolerance(size_t)> &tolerance,
                 const std::function<void(const RowDifference &)> &found,
                 const std::function<std::optional<size_t>(size_t)> &toOther) {
  for (size_t slot = 0; slot < state.slots().size(); ++slot) {
    const auto otherSlot = toOther ? toOther(slot) : slot;
    if (!isCache(state, slot) || !otherSlot)
      continue;
    const uint64_t first = std::max(state.firstHeldRow(slot), other.firstHeldRow(*otherSlot));
    const uint64_t width = rowElements(state.slots()[slot]);
    const Tolerance allowed = tolerance(slot);
    forPieces(state.slots()[slot], first, endRow, [&](uint64_t layer, uint64_t row, uint64_t count) {
      const auto values = rowsOf(state, slot, layer, row, count);
      const auto others = rowsOf(other, *otherSlot, layer, row, count);
      if (std::memcmp(values.data(), others.data(), values.size() * sizeof(float)) == 0)
        return;
      for (uint64_t i = 0; i < count; ++i) {
        const std::span own(&values[i * width], width);
        if (const auto amount = differenceOf(own, std::span(&others[i * width], width), allowed))
          found({slot, layer, row + i, *amount, {own.begin(), own.end()}});
      }
    });
  }
}

void RowIndex::add(const State &state, size_t sequence) {
  for (size_t slot = 0; slot < state.slots().size(); ++slot) {
    if (!isCache(state, slot))
      continue;
    const uint64_t width = rowElements(state.slots()[slot]);
    forPieces(state.slots()[slot], state.firstHeldRow(slot), state.length(),
              [&](uint64_t layer, uint64_t row, uint64_t count) {
                const auto values = rowsOf(state, slot, layer, row, count);
                for (uint64_t i = 0; i < count; ++i)
                  places.emplace(hashOf(std::span(&values[i * width], width)), Place{sequence, slot, layer, row + i});
              });
  }
}

std::optional<RowIndex::Place> RowIndex::find(std::span<const float> values, const Place &at) const {
  const auto distance = [&](const Place &place) {
    const uint64_t rows = place.row > at.row ? place.row - at.row : at.row - place.row;
    return std::tuple(place.sequence != at.sequence, place.slot != at.slot, place.layer != at.layer, rows);
  };
  std::optional<Place> nearest;
  const auto [begin, end] = places.equal_range(hashOf(values));
  for (auto place = begin; place != end; ++place)
    if (!nearest || distance(place->second) < distance(*nearest))
      nearest = place->second;
  return nearest;
}

} // namespace kvasir::runtime::audit
