// SPDX-License-Identifier: MIT
// Each sampler against its definition: what is drawn many times has the distribution that the definition gives.
#include "runtime/text/sampling.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace kvasir;

namespace {

using Distribution = std::vector<double>; // by token; sums to 1

const std::vector<float> kLogits = {1.5f, -0.5f, 2.0f, 0.0f, 1.0f, -2.0f, 0.5f, 1.75f};

Distribution softmax(const std::vector<float> &logits, double temperature = 1) {
  double most = *std::max_element(logits.begin(), logits.end());
  Distribution p;
  for (float logit : logits)
    p.push_back(std::exp((logit - most) / temperature));
  double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double &each : p)
    each /= sum;
  return p;
}

/// The distribution over the tokens that `keeps` says are left.
template <typename Keeps> Distribution restricted(Distribution p, Keeps keeps) {
  double sum = 0;
  for (size_t token = 0; token < p.size(); ++token)
    sum += p[token] = keeps(token) ? p[token] : 0;
  for (double &each : p)
    each /= sum;
  return p;
}

/// How many tokens are more probable than `token`.
size_t placeOf(const Distribution &p, size_t token) {
  return static_cast<size_t>(std::count_if(p.begin(), p.end(), [&](double other) { return other > p[token]; }));
}

/// Pearson's statistic of `numDraws` draws, less the limit that a right sampler passes 999 times in 1000 (the
/// Wilson-Hilferty approximation). Infinite if a token was drawn that can't be.
double excessOfChiSquare(SamplingOptions options, const std::vector<float> &logits, const Distribution &expected,
                         const std::vector<TokenId> &history = {}) {
  constexpr int kNumDraws = 40000;
  options.seed = 20240607;
  auto sampler = Sampler::make(options);
  REQUIRE(sampler);
  for (TokenId token : history)
    sampler->accept(token);
  std::vector<int> drawn(logits.size());
  for (int i = 0; i < kNumDraws; ++i)
    ++drawn[static_cast<size_t>(sampler->sample(logits))];
  double statistic = 0;
  int degrees = -1;
  for (size_t token = 0; token < logits.size(); ++token) {
    double mean = expected[token] * kNumDraws;
    if (mean == 0 && drawn[token] > 0)
      return std::numeric_limits<double>::infinity();
    if (mean == 0)
      continue;
    statistic += (drawn[token] - mean) * (drawn[token] - mean) / mean;
    ++degrees;
  }
  double spread = 2.0 / (9 * degrees);
  return statistic - degrees * std::pow(1 - spread + 3.0902 * std::sqrt(spread), 3);
}

std::string refusal(SamplingOptions options) {
  auto sampler = Sampler::make(options);
  return sampler ? "taken" : sampler.message();
}

} // namespace

TEST_CASE("the test itself tells one distribution from another") {
  CHECK(excessOfChiSquare({.temperature = 1}, kLogits, softmax(kLogits, 1.05)) > 0);
}

TEST_CASE("greedy takes the largest, of equals the first, and no randomness") {
  auto sampler = Sampler::make({});
  REQUIRE(sampler);
  CHECK(sampler->sample(kLogits) == 2);
  CHECK(sampler->sample(std::vector<float>{1, 3, 3}) == 1);
  auto restrictedGreedily = Sampler::make({.topK = 3, .topP = 0.1f, .minP = 0.9f});
  REQUIRE(restrictedGreedily);
  CHECK(restrictedGreedily->sample(kLogits) == 2);
}

TEST_CASE("temperature draws from softmax(logits / temperature)") {
  for (float temperature : {0.25f, 1.0f, 3.0f})
    CHECK(excessOfChiSquare({.temperature = temperature}, kLogits, softmax(kLogits, temperature)) < 0);
}

TEST_CASE("top-k leaves the k largest") {
  Distribution p = softmax(kLogits);
  for (uint32_t k : {2u, 3u, 7u})
    CHECK(excessOfChiSquare({.topK = k, .temperature = 1}, kLogits,
                            restricted(p, [&](size_t token) { return placeOf(p, token) < k; })) < 0);
  auto one = Sampler::make({.topK = 1, .temperature = 5});
  REQUIRE(one);
  CHECK(one->sample(kLogits) == 2);
}

TEST_CASE("top-p leaves the fewest whose sum is p") {
  Distribution p = softmax(kLogits);
  for (float wanted : {0.4f, 0.6f, 0.95f}) {
    auto sumOfBetter = [&](size_t token) {
      double sum = 0;
      for (double each : p)
        sum += each > p[token] ? each : 0;
      return sum;
    };
    CHECK(excessOfChiSquare({.topP = wanted, .temperature = 1}, kLogits,
                            restricted(p, [&](size_t token) { return sumOfBetter(token) < wanted; })) < 0);
  }
}

TEST_CASE("top-p of a flat distribution leaves its share of the tokens, lower ids first") {
  std::vector<float> flat(10000, 1.0f);
  auto sampler = Sampler::make({.topP = 0.5f, .temperature = 1});
  REQUIRE(sampler);
  TokenId largest = 0;
  for (int i = 0; i < 300; ++i)
    largest = std::max(largest, sampler->sample(flat));
  CHECK(largest < 5000);
  CHECK(largest > 4900);
}

TEST_CASE("min-p leaves those that are probable enough beside the best") {
  Distribution p = softmax(kLogits);
  for (float share : {0.05f, 0.3f, 0.7f})
    CHECK(excessOfChiSquare({.minP = share, .temperature = 1}, kLogits,
                            restricted(p, [&](size_t token) { return p[token] >= share * p[2]; })) < 0);
}

TEST_CASE("top-k, top-p, min-p and temperature follow each other") {
  Distribution afterTopK =
      restricted(softmax(kLogits), [&](size_t token) { return placeOf(softmax(kLogits), token) < 5; });
  auto sumOfBetter = [&](size_t token) {
    double sum = 0;
    for (double each : afterTopK)
      sum += each > afterTopK[token] ? each : 0;
    return sum;
  };
  Distribution expected = restricted(softmax(kLogits, 2), [&](size_t token) {
    return afterTopK[token] > 0 && sumOfBetter(token) < 0.9f && afterTopK[token] >= 0.4f * afterTopK[2];
  });
  CHECK(excessOfChiSquare({.topK = 5, .topP = 0.9f, .minP = 0.4f, .temperature = 2}, kLogits, expected) < 0);
}

TEST_CASE("penalties change the logits of the last tokens as they are defined") {
  std::vector<TokenId> history = {2, 2, 1, 7, 2};
  std::vector<float> penalised = kLogits;
  penalised[2] = kLogits[2] / 1.3f - 3 * 0.2f - 0.4f;
  penalised[1] = kLogits[1] * 1.3f - 1 * 0.2f - 0.4f;
  penalised[7] = kLogits[7] / 1.3f - 1 * 0.2f - 0.4f;
  SamplingOptions options{.repeatPenalty = 1.3f, .frequencyPenalty = 0.2f, .presencePenalty = 0.4f, .temperature = 1};
  CHECK(excessOfChiSquare(options, kLogits, softmax(penalised), history) < 0);
}

TEST_CASE("penalties forget what lies further back than the last n") {
  SamplingOptions options{.presencePenalty = 1, .penaltyTokens = 2, .temperature = 1};
  std::vector<float> penalised = kLogits;
  penalised[0] -= 1, penalised[4] -= 1;
  CHECK(excessOfChiSquare(options, kLogits, softmax(penalised), {2, 2, 2, 0, 4}) < 0);
  options.penaltyTokens = 0;
  CHECK(excessOfChiSquare(options, kLogits, softmax(kLogits), {2, 2, 2, 0, 4}) < 0);
}

TEST_CASE("a seed gives the same tokens everywhere, another seed others") {
  auto drawnWith = [](uint64_t seed) {
    auto sampler = Sampler::make({.temperature = 1, .seed = seed});
    std::vector<TokenId> tokens;
    for (int i = 0; i < 16; ++i)
      tokens.push_back(sampler->sample(kLogits));
    return tokens;
  };
  CHECK(drawnWith(7) == drawnWith(7));
  CHECK(drawnWith(7) != drawnWith(8));
  CHECK(drawnWith(0) == std::vector<TokenId>{0, 7, 0, 4, 3, 0, 4, 2, 7, 7, 2, 4, 7, 2, 2, 2});
}

TEST_CASE("logits that are no numbers are never chosen") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (float temperature : {0.0f, 1.0f}) {
    auto sampler = Sampler::make({.temperature = temperature});
    REQUIRE(sampler);
    CHECK(sampler->sample(std::vector<float>{nan, 1, -infinity}) == 1);
    CHECK(sampler->sample(std::vector<float>{1, infinity, nan}) == 1);
    CHECK(sampler->sample(std::vector<float>{nan, -infinity}) == kNoToken);
    CHECK(sampler->sample({}) == kNoToken);
  }
}

TEST_CASE("options out of their range are refused by name") {
  CHECK(refusal({.topP = 0}) == "top-p is 0.000000, expected more than 0, at most 1");
  CHECK(refusal({.minP = 1.5f}) == "min-p is 1.500000, expected 0 to 1");
  CHECK(refusal({.temperature = -1}) == "temperature is -1.000000, expected 0 or more");
  CHECK(refusal({.repeatPenalty = 0}) == "repeat penalty is 0.000000, expected more than 0");
  CHECK(refusal({.temperature = std::numeric_limits<float>::quiet_NaN()}).starts_with("temperature"));
}
