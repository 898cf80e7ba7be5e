// SPDX-License-Identifier: MIT
#include "compiler/models/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace kvasir {
namespace {

/// rope.scaling.factor, or what older files called it.
double readFactor(Configuration &configuration) {
  double factor = configuration.contains("rope.scaling.factor") ? configuration.real("rope.scaling.factor")
                                                                : configuration.real("rope.scale_linear", 1.0);
  if (factor < 0)
    configuration.fail("rope is scaled by " + std::to_string(factor) + "; a positive factor is expected");
  return factor == 0 ? 1.0 : factor;
}

/// Each frequency has a divisor, which the file carries as a tensor.
void divideByFactors(RopeAngles &angles, Configuration &configuration, const WeightSource &weights,
                     std::string_view name) {
  Result<SourceTensor> tensor = weights.find(name);
  if (!tensor)
    return configuration.fail(tensor.message());
  if (tensor->rows != 1 || tensor->columns != angles.frequencies.size())
    return configuration.fail("tensor " + inQuotes(name) + " has " + std::to_string(tensor->rows * tensor->columns) +
                              " elements; " + std::to_string(angles.frequencies.size()) + " are expected");
  WeightRow row(tensor->form, tensor->columns);
  tensor->unpack(tensor->bytes.data(), row);
  std::vector<float> factors(tensor->columns);
  dequantise(row, factors.data());
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!(factors[i] > 0))
      return configuration.fail("tensor " + inQuotes(name) + " has a factor that is not positive");
    angles.frequencies[i] /= factors[i];
  }
}

/// llama3's factors, or of longrope's two sets the one that serves the whole context.
std::string_view factorsFor(Configuration &configuration, const WeightSource &weights, int64_t context) {
  if (!weights.contains(kLongRopeFactors))
    return kRopeFactors;
  const bool isLong = context > configuration.count("rope.scaling.original_context_length", context);
  return isLong ? kLongRopeFactors : kShortRopeFactors;
}

/// The pair of lanes that turns `rotations` times within `context` tokens, as a real number.
double pairOfRotations(double rotations, double lanes, double base, double context) {
  return lanes * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(base));
}

/// yarn: fast pairs keep their frequency, slow ones are interpolated, those between are mixed.
void applyYarn(RopeAngles &angles, Configuration &configuration, double base, double factor, int64_t context,
               YarnBounds bounds) {
  double lanes = 2 * double(angles.frequencies.size());
  double trained = double(configuration.count("rope.scaling.original_context_length", context));
  double fast = configuration.real("rope.scaling.yarn_beta_fast", 32);
  double slow = configuration.real("rope.scaling.yarn_beta_slow", 1);
  double low = pairOfRotations(fast, lanes, base, trained), high = pairOfRotations(slow, lanes, base, trained);
  if (bounds == YarnBounds::whole)
    low = std::floor(low), high = std::ceil(high);
  low = std::max(0.0, low), high = std::min(lanes - 1, high);
  for (size_t i = 0; i < angles.frequencies.size(); ++i) {
    double interpolated = std::clamp((double(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
    angles.frequencies[i] *= interpolated / factor + (1 - interpolated);
  }
  if (factor > 1)
    angles.magnitude *= float(1 + 0.1 * std::log(factor));
}

} // namespace

double readRopeBase(Configuration &configuration, std::string_view name, double otherwise) {
  double base = configuration.real(name, otherwise);
  if (base <= 1)
    configuration.fail("rope has base " + std::to_string(base) + "; more than 1 is expected");
  return base;
}

RopeAngles plainRopeAngles(double base, int64_t rotatedLanes) {
  RopeAngles angles;
  for (int64_t i = 0; i < rotatedLanes / 2; ++i)
    angles.frequencies.push_back(std::pow(base, -2.0 * double(i) / double(rotatedLanes)));
  return angles;
}

RopeAngles readRopeAngles(Configuration &configuration, const WeightSource &weights, int64_t rotatedLanes,
                          int64_t context, YarnBounds bounds) {
  const double base = readRopeBase(configuration, "rope.freq_base", 10000.0);
  RopeAngles angles = plainRopeAngles(base, rotatedLanes);
  if (const std::string_view factors = factorsFor(configuration, weights, context); weights.contains(factors))
    divideByFactors(angles, configuration, weights, factors);

  angles.magnitude = float(configuration.real("rope.scaling.attn_factor", 1.0));
  std::string type = configuration.string("rope.scaling.type", "linear"); // with a factor of 1, if there is none
  double factor = readFactor(configuration);
  if (type == "linear") {
    for (double &frequency : angles.frequencies)
      frequency /= factor;
  } else if (type == "yarn") {
    applyYarn(angles, configuration, base, factor, context, bounds);
  } else if (type == "longrope" && !weights.contains(kLongRopeFactors)) {
    configuration.fail("rope is scaled by 'longrope', and there is no tensor " + inQuotes(kLongRopeFactors));
  } else if (type != "none" && type != "longrope") {
    configuration.fail("rope is scaled in a way that is not known: " + inQuotes(type) +
                       "; none, linear, longrope and yarn are");
  }
  return angles;
}

} // namespace kvasir
