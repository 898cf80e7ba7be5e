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

double readRopeBase(Configuration &configuration, std::string_view name, double otherwise);

/// Of R rotated lanes, stretched by nothing.
RopeAngles plainRopeAngles(double base, int64_t rotatedLanes);

/// Tensors of divisors of the frequencies: llama3's, and longrope's for contexts beyond and within what was trained on.
inline constexpr std::string_view kRopeFactors = "rope_freqs.weight", kLongRopeFactors = "rope_factors_long.weight",
                                  kShortRopeFactors = "rope_factors_short.weight";

/// Where yarn begins and ends to mix frequencies: at pairs of lanes, or anywhere between two.
enum class YarnBounds { whole, exact };

/// From rope.freq_base, rope.scaling.* and the factors, for R rotated lanes of a model of `context` tokens. Scaling
/// types: none, linear, longrope, yarn. Of longrope's two sets the long one serves all tokens of a model whose context
/// is longer than what it was trained on, since rows are stored rotated.
///
/// Source: RoFormer, arXiv 2104.09864; YaRN, arXiv 2309.00071; LongRoPE, arXiv 2402.13753; with the corrections that
/// llama.cpp and transformers (modeling_rope_utils.py) agree on.
RopeAngles readRopeAngles(Configuration &configuration, const WeightSource &weights, int64_t rotatedLanes,
                          int64_t context, YarnBounds bounds = YarnBounds::whole);

} // namespace kvasir

#endif
