// SPDX-License-Identifier: MIT
// How a team shares the rows of a call. Few rows are computed by all members, each some of the outputs. Many are dealt
// out in parts, so that what one kernel makes of a row is read by the same member in the next one: from its own cache.
#ifndef KVASIR_BACKENDS_CPU_ROW_PARTS_H
#define KVASIR_BACKENDS_CPU_ROW_PARTS_H

#include "backends/cpu/code.h"

namespace kvasir::cpu {

/// Runs of rows begin at multiples of it.
constexpr int64_t kRunRows = 16;

/// A row that a member computes.
struct PartRow {
  Value number; ///< among the call's
  /// i1: the row before (behind) it may be another member's, who computes it at the same time.
  Value isFirst, isLast;
};

/// One whose neighbours the same member computes.
PartRow innerRow(Code &code, Value number);

/// A member's share: of the rows a part that `members` compute together, and its place among these. A part is two runs
/// of rows side by side, as far from the first row as from the last: of a chunk, the last rows see the most keys.
struct RowParts {
  Value members, member; ///< who compute the part, and this one
  Value first, count; ///< where the part's rows begin if the parts lie behind one another, a multiple of kRunRows; how
                      ///< many they are

  RowParts(Code &code, Value rows, Value member, Value members);

  /// The call's row that is the part's `index`-th.
  Value row(Value index) const;
  /// Runs body(index, row) on rows begin .. end - 1 of the part. Others may compute the rest of it at the same time.
  void forRows(Value begin, Value end, const std::function<void(Value index, const PartRow &row)> &body) const;
  /// Whether row `number` of the call is in the part.
  Value has(Value number) const;

private:
  Code &code;
  Value isSplit;         ///< there are other parts
  Value inFront;         ///< rows of the first run
  Value toFront, toBack; ///< from a row's number in the part to its number in the call, by run
};

/// An even share [begin, end) of `total`.
std::pair<Value, Value> evenShare(Code &code, Value total, Value member, Value members);

} // namespace kvasir::cpu

#endif
