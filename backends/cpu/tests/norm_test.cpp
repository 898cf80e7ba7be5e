// SPDX-License-Identifier: MIT
#include "backends/cpu/activations.h"
#include "backends/cpu/tests/jit.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

using namespace kvasir::cpu;

namespace {
using NormAdd = void(const float *source, const float *norm, const float *addend, float *to);

constexpr float kEpsilon = 1e-5f;

/// 1 / sqrt(mean of squares + epsilon): squares are added up in 32 lanes, then these in a halving tree.
float inverseNorm(const std::vector<float> &row) {
  float sums[32] = {};
  for (size_t i = 0; i < row.size(); ++i)
    sums[i % 32] = std::fma(row[i], row[i], sums[i % 32]);
  for (int half = 16; half; half /= 2)
    for (int i = 0; i < half; ++i)
      sums[i] += sums[i + half];
  return 1.0f / std::sqrt(sums[0] / float(row.size()) + kEpsilon);
}
} // namespace

TEST_CASE("a row that is normed and added has the same bits in every variant, also in place") {
  std::mt19937 random{7};
  std::normal_distribution<float> normal;
  for (int64_t columns : {32, 96, 576}) {
    std::vector<float> row(columns), weight(columns), addend(columns), expected(columns);
    for (std::vector<float> *values : {&row, &weight, &addend})
      for (float &value : *values)
        value = normal(random);
    const float factor = inverseNorm(row);
    for (int64_t i = 0; i < columns; ++i)
      expected[i] = addend[i] + row[i] * factor * weight[i];
    for (const Isa &isa : testedIsas({})) {
      CAPTURE(isa.name);
      CAPTURE(columns);
      KernelModule module;
      module.add("norm_add", {'p', 'p', 'p', 'p'}, [&](Code &code, ValueRange args) {
        emitNormAdd(code, columns, args[0], args[1], kEpsilon, args[2], args[3]);
      });
      module.compile(isa);
      auto *kernel = reinterpret_cast<NormAdd *>(module.lookup("norm_add"));
      std::vector<float> result(columns), inPlace = addend;
      kernel(row.data(), weight.data(), addend.data(), result.data());
      kernel(row.data(), weight.data(), inPlace.data(), inPlace.data());
      CHECK(std::memcmp(result.data(), expected.data(), columns * sizeof(float)) == 0);
      CHECK(std::memcmp(inPlace.data(), expected.data(), columns * sizeof(float)) == 0);
    }
  }
}
