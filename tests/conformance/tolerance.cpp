// SPDX-License-Identifier: MIT
#include "tests/conformance/tolerance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace conformance {
namespace {

constexpr double kUnit = 0x1p-24, kHalfUnit = 0x1p-11, kDeviations = 6, kTiny = 1e-36;
constexpr uint64_t kGroup = 32;

double sumError(uint64_t terms, double magnitude) {
  return 2 * kDeviations * std::sqrt(double(terms)) * kUnit * magnitude;
}

std::vector<double> times(const std::vector<float> &values, double factor) {
  std::vector<double> limits;
  for (const float value : values)
    limits.push_back(std::abs(value) * factor + kTiny);
  return limits;
}

/// Each result's pair of lanes is at most as large as its two inputs together.
std::vector<double> ofRope(const Tensor &input) {
  const uint64_t width = input.dims.back();
  std::vector<double> limits(input.floats().size());
  for (size_t i = 0; i < limits.size(); ++i) {
    const auto row = input.floats().subspan(i / width * width, width);
    limits[i] = 2 * 3 * kUnit * 2 *
                    std::abs(*std::max_element(row.begin(), row.end(),
                                               [](float a, float b) { return std::abs(a) < std::abs(b); })) +
                kTiny;
  }
  return limits;
}

std::vector<double> ofNorm(uint64_t width, const std::vector<float> &expected) {
  return times(expected, sumError(width, 0.5) + 2 * 4 * kUnit);
}

/// A product and a sum of codes' scales and mins, which are known up to a share `unit` of themselves; `more` roundings
/// follow.
std::vector<double> ofEmbedding(const std::vector<float> &expected, double unit, double more) {
  // The product is at most as large as the row's values spread, and so is the sum.
  float largest = 0;
  for (const float value : expected)
    largest = std::max(largest, std::abs(value));
  return std::vector<double>(expected.size(), (2 * (2 + more) * kUnit + unit) * 2 * largest);
}

/// Twice the roundings of the result, and of numbers near 1 that are multiplied by `one`.
double ofElementwise(const Elementwise &of, double result, double one) {
  return 2 * kUnit * (of.units * std::abs(result) + of.unitsOfOne * std::abs(one)) + kTiny;
}

std::vector<double> ofUnary(const OpCase &op, const std::vector<float> &expected) {
  std::vector<double> limits;
  for (const float result : expected)
    limits.push_back(ofElementwise(op.elementwise, result, 1));
  return limits;
}

std::vector<double> ofGated(const OpCase &op, const std::vector<Tensor> &inputs, const std::vector<float> &expected) {
  std::vector<double> limits;
  for (size_t i = 0; i < expected.size(); ++i)
    limits.push_back(ofElementwise(op.elementwise, expected[i], double(inputs[0].floats()[i]) * inputs[1].floats()[i]));
  return limits;
}

/// A gated unit of what is known up to an error each.
std::vector<double> ofGatedUnit(const OpCase &op, const std::vector<float> &gate, const std::vector<double> &ofGate,
                                const std::vector<float> &up, const std::vector<double> &ofUp,
                                const std::vector<float> &expected) {
  std::vector<double> limits(gate.size());
  for (size_t i = 0; i < limits.size(); ++i) {
    const double raised = up[i] + op.elementwise.moreUp;
    const double gated = std::abs(raised) < kTiny ? gate[i] : double(expected[i]) / raised;
    limits[i] = op.elementwise.slope * ofGate[i] * (std::abs(raised) + ofUp[i]) + std::abs(gated) * ofUp[i] +
                ofElementwise(op.elementwise, expected[i], gate[i] * raised);
  }
  return limits;
}

/// The part of itself that a share may be off by: logits lie within 6 of one another (ops.cpp), and the difference may
/// be rounded, and what it is as a power of two.
double shareError(uint64_t experts) { return 2 * (2 * 6 + 2 + 2) * kUnit + sumError(experts, 1); }

/// Experts exactly, then shares.
std::vector<double> ofRoute(const Tensor &logits, const std::vector<float> &expected) {
  const uint64_t chosen = expected.size() / logits.dims[0] / 2;
  std::vector<double> limits = times(expected, shareError(logits.dims[1]));
  for (size_t i = 0; i < limits.size(); ++i)
    limits[i] = i / chosen % 2 == 0 ? 0 : limits[i];
  return limits;
}

/// The sum over c of share * part, of [T][C][N] parts that have `errors`, and shares off by `relative` of themselves.
std::vector<double> ofShares(std::span<const float> parts, const std::vector<double> &errors,
                             std::span<const float> shares, uint64_t chosen, double relative) {
  const uint64_t width = parts.size() / shares.size();
  std::vector<double> limits(parts.size() / chosen);
  for (uint64_t i = 0; i < limits.size(); ++i) {
    double magnitude = 0, passed = 0;
    for (uint64_t c = i / width * chosen; c < (i / width + 1) * chosen; ++c) {
      const uint64_t at = c * width + i % width;
      magnitude += std::abs(double(shares[c]) * parts[at]);
      passed += std::abs(shares[c]) * (errors.empty() ? 0 : errors[at]);
    }
    limits[i] = sumError(chosen + 2, magnitude) + relative * magnitude + (1 + relative) * passed + kTiny;
  }
  return limits;
}

/// Of what all X experts make of each of R rows, [R][X * N], what the chosen make, [T][C][N]; R is T, or T * C.
template <typename T>
std::vector<T> pick(const std::vector<T> &all, uint64_t rows, uint64_t outs, std::span<const float> experts) {
  const uint64_t numExperts = all.size() / rows / outs, rowsOfOne = experts.size() / rows;
  std::vector<T> picked;
  for (size_t i = 0; i < experts.size(); ++i) {
    const bool isThere = experts[i] >= 0 && experts[i] < float(numExperts);
    const uint64_t expert = isThere ? uint64_t(experts[i]) : numExperts - 1;
    const auto begin = all.begin() + int64_t((i / rowsOfOne * numExperts + expert) * outs);
    picked.insert(picked.end(), begin, begin + int64_t(outs));
  }
  return picked;
}

/// Of a row for each of a token's experts, each as a row: [T, C * K] to [T * C, K].
Tensor partsOf(const Tensor &input, uint64_t chosen) {
  return makeTensor(input.name, {input.dims[0] * chosen, input.dims[1] / chosen}, input.floats());
}

std::vector<float> numbersOf(const Tensor &integers) {
  std::vector<float> numbers;
  for (size_t i = 0; i < integers.bytes.size(); i += sizeof(int32_t)) {
    int32_t number = 0;
    std::memcpy(&number, &integers.bytes[i], sizeof number);
    numbers.push_back(float(number));
  }
  return numbers;
}

/// What a sum of `addend` and something that has `errors` is from the truth.
std::vector<double> ofSum(std::vector<double> errors, const Tensor &addend, const std::vector<float> &expected) {
  for (size_t i = 0; i < errors.size(); ++i)
    errors[i] += 4 * kUnit * (std::abs(expected[i]) + std::abs(addend.floats()[i]));
  return errors;
}

} // namespace

std::vector<double> Tolerance::roundingErrors(std::span<const float> x) const {
  std::vector<double> squares(x.size(), 0);
  for (size_t begin = 0; rounding == Rounding::int8 && begin < x.size(); begin += kGroup) {
    const auto group = x.subspan(begin, std::min<size_t>(kGroup, x.size() - begin));
    float largest = 0;
    for (const float value : group)
      largest = std::max(largest, std::abs(value));
    std::fill_n(squares.begin() + begin, group.size(), std::pow(largest / 254, 2));
  }
  for (size_t i = 0; rounding == Rounding::bf16 && i < x.size(); ++i)
    squares[i] = 2 * std::pow(0x1p-8 * x[i], 2); // the weight's, too
  return squares;
}

const Tolerance::Weights &Tolerance::weightsOf(const std::string &function, const std::vector<Tensor> &inputs) {
  const Tensor &x = inputs.front();
  const bool hasLayer = inputs.back().name == "layer";
  const std::string key = function + (hasLayer ? "@" + std::to_string(inputs.back().bytes[0]) : "");
  if (const auto found = known.find(key); found != known.end())
    return found->second;
  const uint64_t columns = x.dims.back();
  std::vector<float> ones((columns + 1) * columns, 0); // the last row is zero, and gives the bias
  for (uint64_t k = 0; k < columns; ++k)
    ones[k * columns + k] = 1;
  std::vector<Tensor> given{makeTensor(x.name, {columns + 1, columns}, ones)};
  if (hasLayer)
    given.push_back(inputs.back());
  const std::vector<float> results = reference.call(function, given);
  const uint64_t rows = results.size() / (columns + 1);
  Weights weights{rows, columns, std::vector<float>(rows * columns)};
  for (uint64_t k = 0; k < columns; ++k)
    for (uint64_t n = 0; n < rows; ++n)
      weights.values[n * columns + k] = results[k * rows + n] - results[columns * rows + n];
  return known.emplace(key, std::move(weights)).first->second;
}

std::vector<double> Tolerance::ofLinear(const std::string &function, const std::vector<Tensor> &inputs,
                                        std::span<const float> x, const std::vector<double> &error) {
  const Weights &w = weightsOf(function, inputs);
  std::vector<double> limits;
  for (uint64_t begin = 0; begin < x.size(); begin += w.columns) {
    const std::vector<double> squares = roundingErrors(x.subspan(begin, w.columns));
    for (uint64_t n = 0; n < w.rows; ++n) {
      double magnitude = 0, variance = 0, passed = 0;
      for (uint64_t k = 0; k < w.columns; ++k) {
        const double weight = std::abs(w.values[n * w.columns + k]);
        magnitude += std::abs(x[begin + k]) * weight;
        variance += squares[k] * weight * weight / 3;
        passed += error.empty() ? 0 : error[begin + k] * weight;
      }
      limits.push_back(sumError(w.columns + 1, magnitude) + kDeviations * std::sqrt(variance) + passed + kTiny);
    }
  }
  return limits;
}

std::vector<double> Tolerance::ofGate(const OpCase &op, const std::vector<Tensor> &normed,
                                      const std::vector<double> &error, const std::vector<float> &expected) {
  const std::string gateName = op.function + ".gate", upName = op.function + ".up";
  const std::vector<float> gate = reference.call(gateName, normed), up = reference.call(upName, normed);
  const std::vector<double> ofGate = ofLinear(gateName, normed, normed[0].floats(), error);
  const std::vector<double> ofUp = ofLinear(upName, normed, normed[0].floats(), error);
  return ofGatedUnit(op, gate, ofGate, up, ofUp, expected);
}

std::vector<double> Tolerance::ofEpilogue(const OpCase &op, const std::vector<Tensor> &inputs,
                                          const std::vector<float> &expected) {
  std::vector<double> limits = ofLinear(op.function + ".linear", {inputs[0]}, inputs[0].floats(), {});
  const bool isSum = inputs.size() == 2;
  for (size_t i = 0; i < limits.size(); ++i)
    limits[i] = op.elementwise.slope * limits[i] +
                ofElementwise(op.elementwise, isSum ? expected[i] - inputs[1].floats()[i] : expected[i], 1);
  return isSum ? ofSum(limits, inputs[1], expected) : limits;
}

std::vector<double> Tolerance::ofFused(const OpCase &op, const std::vector<Tensor> &inputs,
                                       const std::vector<float> &expected) {
  if (op.kind == Kind::linearEpilogue)
    return ofEpilogue(op, inputs, expected);
  const std::vector<float> rows = reference.call(op.function + ".norm", inputs);
  const std::vector<Tensor> normed{makeTensor("input", inputs[0].dims, rows)};
  const std::vector<double> error = ofNorm(inputs[0].dims.back(), rows);
  return op.kind == Kind::gateUp ? ofGate(op, normed, error, expected)
                                 : ofLinear(op.function + ".linear", normed, normed[0].floats(), error);
}

std::vector<double> Tolerance::ofExpertLinear(const OpCase &op, const std::vector<Tensor> &inputs,
                                              const std::vector<float> &expected) {
  const std::vector<float> experts = numbersOf(inputs[1]);
  const bool hasParts = op.function.starts_with("expert_linear_parts");
  const std::vector<Tensor> input{hasParts ? partsOf(inputs[0], inputs[1].dims[1]) : inputs[0]};
  return pick(ofLinear(op.function + ".all", input, input[0].floats(), {}), input[0].dims[0],
              expected.size() / experts.size(), experts);
}

std::vector<double> Tolerance::ofExpertGate(const OpCase &op, const std::vector<Tensor> &inputs,
                                            const std::vector<float> &expected) {
  const std::vector<float> rows = reference.call(op.function + ".norm", {inputs[0]});
  const std::vector<Tensor> normed{makeTensor("input", inputs[0].dims, rows)};
  const std::vector<double> error = ofNorm(inputs[0].dims.back(), rows);
  const std::vector<float> experts = reference.call(op.function + ".experts", {inputs[1]});
  const uint64_t tokens = inputs[0].dims[0], outs = expected.size() / experts.size();
  const auto made = [&](const std::string &part) {
    return pick(reference.call(op.function + part, normed), tokens, outs, experts);
  };
  const auto errorOf = [&](const std::string &part) {
    return pick(ofLinear(op.function + part, normed, rows, error), tokens, outs, experts);
  };
  return ofGatedUnit(op, made(".gate"), errorOf(".gate"), made(".up"), errorOf(".up"), expected);
}

std::vector<double> Tolerance::ofExpertMix(const OpCase &op, const std::vector<Tensor> &inputs,
                                           const std::vector<float> &expected) {
  const uint64_t tokens = inputs[1].dims[0], numExperts = inputs[1].dims[1], outs = expected.size() / tokens;
  const std::vector<float> experts = reference.call(op.function + ".experts", {inputs[1]}),
                           shares = reference.call(op.function + ".shares", {inputs[1]});
  const std::vector<Tensor> parts{partsOf(inputs[0], experts.size() / tokens)};
  const std::vector<float> made = pick(reference.call(op.function + ".all", parts), experts.size(), outs, experts);
  const std::vector<double> errors =
      pick(ofLinear(op.function + ".all", parts, parts[0].floats(), {}), experts.size(), outs, experts);
  std::vector<double> limits = ofShares(made, errors, shares, experts.size() / tokens, shareError(numExperts));
  const bool isSum = inputs.size() == 3;
  for (size_t i = 0; i < limits.size(); ++i)
    limits[i] = op.elementwise.slope * limits[i] +
                ofElementwise(op.elementwise, isSum ? expected[i] - inputs[2].floats()[i] : expected[i], 1);
  return isSum ? ofSum(limits, inputs[2], expected) : limits;
}

std::vector<double> Tolerance::of(const OpCase &op, const std::vector<Tensor> &inputs,
                                  const std::vector<float> &expected) {
  switch (op.kind) {
  case Kind::exact:
    return std::vector<double>(expected.size(), 0);
  case Kind::embedding:
    return ofEmbedding(expected, op.hasF32Scales && rounding != Rounding::none ? kHalfUnit : 0, op.elementwise.units);
  case Kind::rmsNorm:
    return ofNorm(inputs[0].dims.back(), expected);
  case Kind::normAdd:
    return ofSum(ofNorm(inputs[0].dims.back(), reference.call(op.function + ".norm", {inputs[0]})), inputs[1],
                 expected);
  case Kind::rope:
    return ofRope(inputs[0]);
  case Kind::ropeAngles:
    return std::vector<double>(expected.size(), 4 * kUnit);
  case Kind::unary:
    return ofUnary(op, expected);
  case Kind::gated:
    return ofGated(op, inputs, expected);
  case Kind::route:
    return ofRoute(inputs[0], expected);
  case Kind::mix:
    return ofShares(inputs[0].floats(), {}, inputs[1].floats(), inputs[1].dims[1], 0);
  case Kind::expertLinear:
    return ofExpertLinear(op, inputs, expected);
  case Kind::expertGate:
    return ofExpertGate(op, inputs, expected);
  case Kind::expertMix:
    return ofExpertMix(op, inputs, expected);
  case Kind::linear:
    return ofLinear(op.function, inputs, inputs[0].floats(), {});
  default:
    return ofFused(op, inputs, expected);
  }
}

} // namespace conformance
