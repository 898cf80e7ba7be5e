// SPDX-License-Identifier: MIT
// What kv.attend means, over the rows of a state.
#ifndef KVASIR_RUNTIME_DIFF_ATTENTION_H
#define KVASIR_RUNTIME_DIFF_ATTENTION_H

#include "runtime/diff/graph.h"
#include "runtime/state/state.h"

namespace kvasir::runtime::diff {

/// The rows that a call appended to one layer of a slot, for those that the state has let go since.
struct AppendedRows {
  uint64_t start = 0;
  std::vector<float> rows; ///< [T, G, D]
};

/// Softmax attention in double: queries [T, H, D] of the tokens from row `start` on, over the rows that `state` holds,
/// or else over the appended ones. Returns [T, H, width of a value row's head]; nothing if a row is in neither, the
/// mask is not causal, or the shapes do not go together.
std::optional<std::vector<float>> attend(const State &state, const Step &step, uint64_t start,
                                         const std::vector<float> &queries, uint64_t tokens, const AppendedRows &keys,
                                         const AppendedRows &values);

} // namespace kvasir::runtime::diff

#endif
