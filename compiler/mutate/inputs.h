// SPDX-License-Identifier: MIT
#ifndef KVASIR_MUTATE_INPUTS_H
#define KVASIR_MUTATE_INPUTS_H

#include "compiler/mutate/steps.h"

#include <random>

namespace kvasir {

/// A dense tensor for a call.
struct InputTensor {
  std::string name;
  ElementType element;
  std::vector<uint64_t> dims;
  std::vector<uint8_t> bytes;
};

/// Inputs as their roles ask: ids inside the vocabulary, positions from start, masks that are causal from start
/// (0 where a token sees, else -inf), numbers around 0 for the rest. `starts` has what each part's sequence holds.
/// Equal states of `random` give equal inputs.
std::vector<InputTensor> makeInputs(const Description &description, const Step &step,
                                    const std::vector<uint64_t> &starts, std::mt19937_64 &random);

} // namespace kvasir

#endif
