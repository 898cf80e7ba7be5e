// SPDX-License-Identifier: MIT
#include "backends/cpu/experts.h"
#include "backends/cpu/routing.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/reference.h"
#include "backends/cpu/tests/team.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;
using KernelFn = void(const kv_call *, int64_t member, int64_t members, uint8_t *scratch, const void *const *pointers,
                      int64_t tokens);
using RouteFn = void(const float *logits, int32_t *numbers, float *shares);

constexpr int64_t kExperts = 5, kChosen = 2, K = 96, N = 64, kTokens = 300;
constexpr float kFactor = 0.3f;

enum Pointer { kSource, kNumbers, kNorm, kFirst, kFirstBias, kSecond, kSecondBias, kShares, kResult, kNumPointers };

/// Rows of tokens and of their experts, which take them in ascending order, the last one and the first never both.
struct Fixture {
  std::mt19937 random{11};
  Matrix first, second;
  std::vector<float> source, norm, shares, addend, firstBias, secondBias;
  std::vector<int32_t> numbers;

  explicit Fixture(const WeightFormat &format)
      : first(format, kExperts * N, K, random), second(format, kExperts * N, K, random) {
    std::normal_distribution<float> normal;
    auto fill = [&](std::vector<float> &values, size_t size) {
      values.resize(size);
      for (float &value : values)
        value = normal(random);
    };
    fill(source, kTokens * kChosen * K), fill(norm, K), fill(shares, kTokens * kChosen), fill(addend, kTokens * N);
    fill(firstBias, kExperts * N), fill(secondBias, kExperts * N);
    for (int64_t token = 0; token < kTokens; ++token) {
      int32_t lower = int32_t(random() % (kExperts - 1));
      numbers.insert(numbers.end(), {lower, lower + 1});
    }
  }
};

std::vector<float> run(KernelFn *kernel, const Fixture &f, std::vector<float> result, int64_t tokens, uint32_t members,
                       int64_t firstToken = 0, int64_t eager = -1) {
  const bool hasParts = result.size() == f.addend.size();
  const int64_t sourceRow = hasParts ? kChosen * K : K, resultRow = hasParts ? N : kChosen * N;
  const void *pointers[kNumPointers] = {f.source.data() + firstToken * sourceRow,
                                        f.numbers.data() + firstToken * kChosen,
                                        f.norm.data(),
                                        f.first.bytes(),
                                        f.firstBias.data(),
                                        f.second.bytes(),
                                        f.secondBias.data(),
                                        f.shares.data() + firstToken * kChosen,
                                        result.data() + firstToken * resultRow};
  runTeam(
      members,
      [&](const kv_team *team, uint32_t member) {
        kv_call call{};
        call.size = sizeof call, call.num_tokens = uint64_t(tokens), call.team = team;
        kernel(&call, member, members, scratchMemory(), pointers, tokens);
      },
      eager);
  return result;
}

/// All of a call at once, in all ways that its rows can come: alone, some, with a team whose members are alike or not.
void checkAllWays(KernelFn *kernel, const Fixture &f, const std::vector<float> &begin,
                  const std::vector<float> &expected) {
  auto isEqual = [&](const std::vector<float> &made) {
    return std::memcmp(made.data(), expected.data(), expected.size() * sizeof(float)) == 0;
  };
  std::vector<float> alone = begin, few = begin;
  for (int64_t token = 0; token < kTokens; ++token)
    alone = run(kernel, f, alone, 1, 1 + token % 3, token);
  CHECK(isEqual(alone));
  for (int64_t token = 0, count = 1; token < kTokens; token += count, ++count)
    few = run(kernel, f, few, std::min(count, kTokens - token), 1 + count % 4, token);
  CHECK(isEqual(few));
  for (uint32_t members : {1, 2, 3, 5})
    CHECK(isEqual(run(kernel, f, begin, kTokens, members)));
  CHECK(isEqual(run(kernel, f, begin, kTokens, 3, 0, /*eager=*/1)));
}

/// Compiles a kernel that `emit` writes, of rows with parts or with a norm.
KernelFn *compileKernel(
    KernelModule &module, const Isa &isa, bool hasParts,
    llvm::function_ref<void(const Kernel &, const ExpertInput &, llvm::function_ref<Value(Pointer)> pointer)> emit) {
  module.add("kernel", {'p', 'i', 'i', 'p', 'p', 'i'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, args[0], args[1], args[2], args[3], {}};
    auto pointer = [&](Pointer index) { return code.load(code.ptr, code.at(args[4], 8 * index), 8); };
    LinearInput rows{pointer(kSource), args[5], K, hasParts ? Value() : pointer(kNorm), 1e-5};
    emit(kernel, {rows, pointer(kNumbers), kExperts, kChosen, hasParts}, pointer);
  });
  module.compile(isa);
  return reinterpret_cast<KernelFn *>(module.lookup("kernel"));
}

struct Weights {
  WeightFormat format;
  bool hasBias; ///< and a clamped gate
};
const Weights kWeights[] = {
    {{E::u4, 0, 32, E::f16, E::f16}, false}, {{E::i8, 0, 32, E::f16, {}}, false}, {kMxfp4, true}};
constexpr float kLimit = 1.5f, kSlope = 1.702f;

/// What one token's expert makes of a row.
std::vector<float> expertOfRow(const Matrix &matrix, const std::vector<float> &bias, bool hasBias, const float *row,
                               int32_t expert) {
  std::vector<float> all = linearOfRow(matrix, row, Activations::int8);
  for (size_t n = 0; hasBias && n < bias.size(); ++n)
    all[n] += bias[n];
  return {all.begin() + expert * N, all.begin() + (expert + 1) * N};
}

double gatedOf(double gate, double up, bool isClamped) {
  if (!isClamped)
    return gate / (1 + std::exp(-gate)) * up;
  gate = std::min<double>(gate, kLimit);
  return gate / (1 + std::exp(-kSlope * gate)) * (std::clamp<double>(up, -kLimit, kLimit) + 1);
}
} // namespace

TEST_CASE("experts are mixed in one order, however their rows come") {
  for (const Weights &weights : kWeights) {
    const WeightFormat &format = weights.format;
    const bool hasBias = weights.hasBias;
    Fixture f(format);
    std::vector<float> expected = f.addend;
    for (int64_t row = 0; row < kTokens * kChosen; ++row) {
      std::vector<float> y = expertOfRow(f.first, f.firstBias, hasBias, &f.source[row * K], f.numbers[row]);
      for (int64_t n = 0; n < N; ++n) {
        float &sum = expected[row / kChosen * N + n];
        sum = std::fma(y[n], f.shares[row] * kFactor, sum);
      }
    }
    for (const Isa &isa : testedIsas({.dots = true})) {
      CAPTURE(isa.name);
      KernelModule module;
      auto *kernel = compileKernel(module, isa, /*hasParts=*/true, [&](auto &kernel, auto &input, auto pointer) {
        Value result = pointer(kResult);
        emitExpertMix(kernel, activationsFor(format, Activations::int8), input,
                      {format, N, pointer(kFirst), hasBias ? pointer(kFirstBias) : Value()}, pointer(kShares), kFactor,
                      result, result);
      });
      checkAllWays(kernel, f, f.addend, expected);
    }
  }
}

TEST_CASE("experts are gated, however their rows come") {
  for (const Weights &weights : kWeights) {
    const WeightFormat &format = weights.format;
    const bool hasBias = weights.hasBias;
    Fixture f(format);
    std::vector<float> first;
    for (const Isa &isa : testedIsas({.dots = true})) {
      CAPTURE(isa.name);
      KernelModule module;
      auto *kernel = compileKernel(module, isa, /*hasParts=*/false, [&](auto &kernel, auto &input, auto pointer) {
        emitExpertGate(kernel, activationsFor(format, Activations::int8), input,
                       {format, N, pointer(kFirst), hasBias ? pointer(kFirstBias) : Value()},
                       {format, N, pointer(kSecond), hasBias ? pointer(kSecondBias) : Value()},
                       hasBias ? Gate(Gate::clampedSilu, kLimit, kSlope) : Gate(Gate::silu), pointer(kResult));
      });
      const std::vector<float> begin(kTokens * kChosen * N, -1), result = run(kernel, f, begin, kTokens, 1);
      checkAllWays(kernel, f, begin, result);
      first = first.empty() ? result : first;
      CHECK(std::memcmp(first.data(), result.data(), result.size() * sizeof(float)) == 0);
    }
    for (int64_t token : {0, 1, 150, 299}) {
      float x[K];
      double squares = 0;
      const float *source = &f.source[token * K];
      for (int64_t k = 0; k < K; ++k)
        squares += double(source[k]) * source[k];
      for (int64_t k = 0; k < K; ++k)
        x[k] = float(source[k] / std::sqrt(squares / K + 1e-5) * f.norm[k]);
      for (int64_t place = 0; place < kChosen; ++place) {
        const int32_t expert = f.numbers[token * kChosen + place];
        std::vector<float> gate = expertOfRow(f.first, f.firstBias, hasBias, x, expert);
        std::vector<float> up = expertOfRow(f.second, f.secondBias, hasBias, x, expert);
        double error = 0, size = 0;
        for (int64_t n = 0; n < N; ++n) {
          double wanted = gatedOf(gate[n], up[n], hasBias);
          error += std::pow(first[(token * kChosen + place) * N + n] - wanted, 2);
          size += wanted * wanted;
        }
        CHECK(std::sqrt(error / size) < 0.01); // a norm that differs in its last bit may round a column the other way
      }
    }
  }
}

TEST_CASE("a route chooses the largest logits, the first of equal ones, and as many whatever they are") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNone = std::numeric_limits<float>::quiet_NaN();
  std::mt19937 random{3};
  for (auto [experts, chosen] : {std::pair<int64_t, int64_t>{128, 8}, {16, 16}, {17, 3}, {5, 1}, {40, 33}, {1, 1}})
    for (bool isOfAll : {false, true}) {
      std::vector<std::vector<float>> rows;
      std::normal_distribution<float> normal(0, 3);
      for (int i = 0; i < 20; ++i) {
        std::vector<float> &row = rows.emplace_back(experts);
        for (float &logit : row)
          logit = i % 2 ? normal(random) : std::round(normal(random)); // with many equal ones
      }
      rows.emplace_back(experts, 0.0f)[size_t(experts / 2)] = -0.0f;
      rows.emplace_back(experts, -kInfinity);
      rows.emplace_back(experts, kNone);
      rows.emplace_back(experts, 1.0f)[0] = -kNone;
      for (const Isa &isa : testedIsas({})) {
        CAPTURE(isa.name);
        CAPTURE(experts);
        KernelModule module;
        module.add("route", {'p', 'p', 'p'}, [&](Code &code, ValueRange args) {
          emitRoute(code, module.module(), {experts, chosen, isOfAll}, args[0], args[1], args[2]);
        });
        module.compile(isa);
        auto *route = reinterpret_cast<RouteFn *>(module.lookup("route"));
        for (const std::vector<float> &row : rows) {
          std::vector<int32_t> numbers(chosen, -1), order(experts);
          std::vector<float> shares(chosen, -1);
          route(row.data(), numbers.data(), shares.data());
          auto keyOf = [&](int32_t expert) {
            int32_t bits = std::bit_cast<int32_t>(row[expert] + 0.0f);
            return bits ^ (bits < 0 ? 0x7fffffff : 0);
          };
          std::iota(order.begin(), order.end(), 0);
          std::sort(order.begin(), order.end(),
                    [&](int32_t a, int32_t b) { return keyOf(a) != keyOf(b) ? keyOf(a) > keyOf(b) : a < b; });
          std::vector<int32_t> expected(order.begin(), order.begin() + chosen);
          std::sort(expected.begin(), expected.end());
          CHECK(numbers == expected);
          double sum = 0;
          for (int32_t expert : isOfAll ? order : expected)
            sum += std::exp(double(row[expert]) - row[order[0]]);
          for (int64_t place = 0; place < chosen && std::isfinite(sum); ++place)
            CHECK(std::abs(shares[place] - std::exp(double(row[expected[place]]) - row[order[0]]) / sum) < 1e-6);
        }
      }
    }
}
