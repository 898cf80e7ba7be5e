// SPDX-License-Identifier: MIT
// Which calls a program is shown by: the same for it and its mutants. No MLIR here.
#ifndef KVASIR_MUTATE_STEPS_H
#define KVASIR_MUTATE_STEPS_H

#include "plugins/description.h"

namespace kvasir {

/// What an entry states of its batch; 0 where it takes any number.
struct EntryLimits {
  uint64_t sequences = 0, tokens = 0;
};

/// New tokens of one conversation.
struct Part {
  size_t state;
  uint64_t count;
};

/// How a call's inputs lie about the call, so that it is to be refused.
enum class Lie { none, positions, mask };

/// A call of a function, or what a host does to one conversation between calls.
struct Step {
  enum class Kind { call, truncate, reset } kind = Kind::call;
  size_t function = 0;
  std::vector<Part> parts; ///< call
  Lie lie = Lie::none;
  size_t state = 0;    ///< truncate, reset
  uint64_t length = 0; ///< truncate: what is left

  /// "@forward of 5 tokens", "@forward of 2 + 4 tokens", "truncate of sequence 0 to 4".
  std::string text(const Description &description) const;
};

constexpr size_t kNumStates = 2;

/// Prefill, decode, truncate, decode, ragged batches of two sequences, beyond a block and a window, after a reset; once
/// with each function in each place that it can take. `limits` has one entry a function.
std::vector<Step> makeSteps(const Description &description, const std::vector<EntryLimits> &limits);

} // namespace kvasir

#endif
