// SPDX-License-Identifier: MIT
// What a plugin does when it is called: everything that a host can see, as bytes. No MLIR here.
#ifndef KVASIR_MUTATE_RECORDING_H
#define KVASIR_MUTATE_RECORDING_H

#include "compiler/mutate/steps.h"

namespace kvasir {

/// One thing that was seen after a step.
struct Observation {
  std::string what; ///< "the status", "output logits", "slot k, layer 1 of sequence 0"
  std::string bytes;
  uint64_t rowBytes = 0; ///< of `bytes`, where they are rows
};

/// What was seen after each step: status, outputs, then length, rows and registers of each sequence.
struct Recording {
  std::vector<std::vector<Observation>> steps;
  std::string failure; ///< why it ended early: no plugin that loads, a crash, no end
};

/// Where two plugins part.
struct Difference {
  std::string text;       ///< "step 2, @forward of 1 token: slot k, layer 1 of sequence 0, row 3"; "" if they never do
  bool isStopped = false; ///< the mutant refused the step, whose states it left as they were
};

Difference differenceBetween(const Recording &mutant, const Recording &program, const Description &description,
                             const std::vector<Step> &script);

/// A function that never ran: it was not called, or each rightful call of it was refused. What a mutant does otherwise
/// may be in it. "@forward, whose first call ended with bad_input"; "" if there is none.
std::string unseenFunction(const Recording &program, const Description &description, const std::vector<Step> &script);

/// Runs the steps on the plugin at `path` in a process of its own, since a mutant may do anything, for at most a minute
/// of its time. Inputs are those of `seed`.
Recording record(const std::string &path, const Description &description, const std::vector<Step> &script,
                 uint64_t seed);

} // namespace kvasir

#endif
