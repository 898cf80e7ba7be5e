// SPDX-License-Identifier: MIT
// Where each element of a tensor lies in the state that it was read from: ops that only move elements, followed.
#ifndef KVASIR_MODELS_MIL_RAISED_STATE_VIEW_H
#define KVASIR_MODELS_MIL_RAISED_STATE_VIEW_H

#include "compiler/models/mil/raised/known_numbers.h"

namespace kvasir::mil {

/// A part of the index into an axis of a state: index = … + digit * stride + …
struct Digit {
  int64_t axis;   ///< kRepeated: each element again, whatever the digit is
  int64_t extent; ///< kOpenRows: as many as the view's rows
  int64_t stride;

  bool operator==(const Digit &) const = default;
};

constexpr int64_t kRepeated = -1, kOpenRows = -1;

/// A tensor as elements of a state. A dim has digits, the most significant first; none where its extent is 1.
struct StateView {
  coreml::ValueId state;
  uint32_t numWrites; ///< of those to the state, how many it holds
  std::vector<llvm::SmallVector<Digit, 2>> dims;
  llvm::SmallVector<int64_t> fixed; ///< by axis: what digits that are no more have added to the index
  int64_t rowAxis = -1;             ///< the axis of which it has the first rows only
  CallSum numRows;                  ///< those

  llvm::SmallVector<Digit> digits() const; ///< of all dims
};

StateView wholeView(coreml::ValueId state, uint32_t numWrites, llvm::ArrayRef<int64_t> shape);

/// What `operation` makes of a view of `x`; nothing for an op that computes, or that moves elements in a way that is
/// not followed.
std::optional<StateView> moved(const StateView &view, const coreml::Operation &operation, const KnownNumbers &numbers);

} // namespace kvasir::mil

#endif
