// SPDX-License-Identifier: MIT
// How models stretch rope beyond the context that they were trained on: all of it ends up in the angles.
#ifndef KVASIR_MODELS_ROPE_SCALING_H
#define KVASIR_MODELS_ROPE_SCALING_H

#include "compiler/models/configuration.h"
#include "compiler/packing/weight_source.h"

#include <vector>

namespace kvasir {

/// The angle of pair i at position p is p * frequencies[i]; cosine and sine are multiplied by `magnitude`.
struct RopeAngles {
  std::vector<double> frequencies; ///< [R / 2]
  float magnitude = 1.0f;
};

/// From rope.freq_base, rope.scaling.* and the tensor rope_freqs.weight (llama3's factors), for R rotated lanes of a
/// model trained on `context` tokens. Scaling types: none, linear, yarn.
///
/// Source: RoFormer, arXiv 2104.09864; YaRN, arXiv 2309.00071, with the corrections that llama.cpp and transformers
/// (modeling_rope_utils.py) agree on.
RopeAngles readRopeAngles(Configuration &configuration, const WeightSource &weights, int64_t rotatedLanes,
                          int64_t context);

} // namespace kvasir

#endif
