// SPDX-License-Identifier: MIT
// Which rows of caches a call depends on, seen from outside.
#ifndef KVASIR_RUNTIME_IMPORTED_ATTENTION_PROBE_H
#define KVASIR_RUNTIME_IMPORTED_ATTENTION_PROBE_H

#include "runtime/imported/session.h"

namespace kvasir::imported {

/// Some slabs of a state: a layer, if its first axis counts layers.
struct SlabGroup {
  std::string state;
  uint64_t firstSlab = 0, numSlabs = 0;

  auto operator<=>(const SlabGroup &) const = default;
};

/// Calls of so many tokens by one function, on states whose rows are zero but for those that are asked about.
///
/// A softmax gives a row next to nothing if its score is small beside others, and a 16-bit type may round that away. So
/// rows get large numbers and the same negated, of which one attracts what attends to them, before they are said not to
/// matter. Which depends on the bits of the outputs, of the call's own rows, and of states without rows.
class AttentionProbe {
public:
  /// Both outlive the probe.
  AttentionProbe(const Session &session, const HostFunction &function, uint64_t numTokens);

  /// Does a call at this position depend on what the group's rows of earlier tokens [first, last) hold?
  bool dependsOnTokens(const SlabGroup &group, uint64_t position, uint64_t first, uint64_t last);

  /// Of rows that hold no earlier token: does it depend on what those held that it writes itself, or on the others?
  bool dependsOnOverwritten(const std::string &state, uint64_t position);
  bool dependsOnUnwritten(uint64_t position);

  /// What a call at this position gives.
  Tensors outputsAt(uint64_t position) const;

private:
  using RowsOfStates = std::map<std::string, std::vector<uint64_t>>;

  RowsOfStates rowsOfTokens(uint64_t position, uint64_t first, uint64_t last) const;
  RowsOfStates ownRows(uint64_t position) const;
  bool depends(const RowsOfStates &rows, const std::vector<SlabGroup> &groups, uint64_t position, size_t numTrials);
  std::vector<SlabGroup> wholeStates() const;
  void putRows(Tensors &state, const RowsOfStates &rows, size_t trial) const;
  void negateRows(Tensors &state, const RowsOfStates &rows, const SlabGroup &group, size_t trial) const;
  std::vector<uint8_t> resultOf(Tensors state, uint64_t position) const;

  const Session &session;
  const HostFunction &function;
  const uint64_t numTokens;
  const bool hasScales; ///< or other floats, beside codes
  std::map<std::pair<RowsOfStates, std::pair<uint64_t, size_t>>, std::vector<uint8_t>> results; ///< before negation
};

} // namespace kvasir::imported

#endif
