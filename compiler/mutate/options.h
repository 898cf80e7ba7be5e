// SPDX-License-Identifier: MIT
// What a person asks of kvasir-mutate. No MLIR here: the tool's main includes it.
#ifndef KVASIR_MUTATE_OPTIONS_H
#define KVASIR_MUTATE_OPTIONS_H

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir {

struct MutateOptions {
  std::string input;                 ///< .mlir or .gguf
  std::string only;                  ///< mutants whose names have this in them; empty: all
  std::string backend = "reference"; ///< that survivors run on
  std::vector<std::string> disable;  ///< rules of verify-state that are left out, to see what they are for
  uint64_t seed = 1;                 ///< of weights that are made up, and of inputs
  bool unroll = false;               ///< layers one after another, each broken alone
  bool verbose = false;              ///< the fate of each mutant
  bool json = false;
};

/// Breaks the program in every way that makeMutants knows, and prints what became of each mutant. Returns the process's
/// exit code: 0 if each was refused or does what the program does, else 1, after one line of why on standard error.
/// Equal options give equal output.
int runMutations(const MutateOptions &options);

} // namespace kvasir

#endif
