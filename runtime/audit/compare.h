// SPDX-License-Identifier: MIT
// The rows of two conversations side by side, and where rows that are in the wrong place belong.
#ifndef KVASIR_RUNTIME_AUDIT_COMPARE_H
#define KVASIR_RUNTIME_AUDIT_COMPARE_H

#include "runtime/audit/caller.h"

#include <functional>
#include <optional>
#include <unordered_map>

namespace kvasir::runtime::audit {

/// How far two numbers of one row may be apart, as a share of the row's largest; 0: not a bit.
struct Tolerance {
  double share = 0;
};

/// What rounding to the slot's stored elements and activations may cost a plugin that isn't invariant.
Tolerance toleranceOf(const SlotDescription &slot);

struct RowDifference {
  size_t slot;
  uint64_t layer, row;
  double amount;             ///< the largest difference
  std::vector<float> values; ///< of the first state
};

/// Calls `found` for each row below `endRow` of each layer of each cache in which the states differ by more than
/// `tolerance(slot)`. Rows that either has let go are left out. `toOther`: a slot's index in the other state, or none.
void compareRows(const State &state, const State &other, uint64_t endRow,
                 const std::function<Tolerance(size_t)> &tolerance,
                 const std::function<void(const RowDifference &)> &found,
                 const std::function<std::optional<size_t>(size_t)> &toOther = {});

/// The largest difference of two rows if it is more than the tolerance allows.
std::optional<double> differenceOf(std::span<const float> values, std::span<const float> others, Tolerance tolerance);

/// Finds rows by what is in them.
class RowIndex {
public:
  struct Place {
    size_t sequence, slot;
    uint64_t layer, row;
  };

  /// Adds all rows of a state that it holds.
  void add(const State &state, size_t sequence);

  /// The place with these values that is nearest to the one where they were found; none if they are nowhere.
  std::optional<Place> find(std::span<const float> values, const Place &at) const;

private:
  std::unordered_multimap<uint64_t, Place> places; ///< by a hash of the row
};

} // namespace kvasir::runtime::audit

#endif
