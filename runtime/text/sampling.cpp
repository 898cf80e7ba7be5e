// SPDX-License-Identifier: MIT
#include "runtime/text/sampling.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <numeric>

namespace kvasir {

namespace {

/// e^x for x ≤ 0, in sums and products only: the C library's differs between machines in the last bit. 0 below -87.
/// Relative error below 3e-7. Without branches, so that loops over it become vector code.
float exponential(float x) {
  constexpr float kLog2 = 0x1.63p-1f, kLog2Rest = -0x1.bd0106p-13f; // their sum is ln 2
  constexpr float kToInteger = 0x1.8p23f; // adding it rounds to an integer, which then is in the low bits
  float clamped = x > -87 ? x : -87;
  float shifted = clamped * 0x1.715476p0f + kToInteger;
  float exponent = shifted - kToInteger;
  float rest = (clamped - exponent * kLog2) - exponent * kLog2Rest; // |rest| ≤ ln 2 / 2
  float sum = 1.0f / 5040;
  for (float coefficient : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
    sum = sum * rest + coefficient; // Taylor's series
  uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127) << 23;
  return x > -87 ? sum * std::bit_cast<float>(power) : 0;
}

std::string rangeFault(const SamplingOptions &options) {
  auto fault = [](std::string name, float value, std::string range) {
    return name + " is " + std::to_string(value) + ", expected " + range;
  };
  if (!(options.repeatPenalty > 0) || !std::isfinite(options.repeatPenalty))
    return fault("repeat penalty", options.repeatPenalty, "more than 0");
  if (!std::isfinite(options.frequencyPenalty))
    return fault("frequency penalty", options.frequencyPenalty, "a number");
  if (!std::isfinite(options.presencePenalty))
    return fault("presence penalty", options.presencePenalty, "a number");
  if (!(options.topP > 0 && options.topP <= 1))
    return fault("top-p", options.topP, "more than 0, at most 1");
  if (!(options.minP >= 0 && options.minP <= 1))
    return fault("min-p", options.minP, "0 to 1");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    return fault("temperature", options.temperature, "0 or more");
  return {};
}

} // namespace

Result<Sampler> Sampler::make(const SamplingOptions &options) {
  if (std::string fault = rangeFault(options); !fault.empty())
    return Failure{std::move(fault)};
  return Sampler(options);
}

void Sampler::accept(TokenId token) {
  if (options.penaltyTokens == 0)
    return;
  if (recent.size() == options.penaltyTokens) {
    if (auto oldest = counts.find(recent.front()); --oldest->second == 0)
      counts.erase(oldest);
    recent.pop_front();
  }
  recent.push_back(token);
  ++counts[token];
}

TokenId Sampler::sample(std::span<const float> given) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  logits.resize(given.size());
  for (size_t token = 0; token < given.size(); ++token)
    logits[token] = given[token] >= -FLT_MAX ? std::min(given[token], FLT_MAX) : kNever; // NaN too
  penalise();
  gatherBest(1);
  if (candidates.empty())
    return kNoToken;
  Candidate best = candidates.front();
  if (options.temperature == 0)
    return best.token;
  candidates.clear();
  keepTopK();
  keepTopP(best.logit);
  keepMinP(best.logit);
  return draw(best);
}

void Sampler::penalise() {
  for (auto [token, count] : counts) {
    if (token < 0 || static_cast<size_t>(token) >= logits.size() || !std::isfinite(logits[static_cast<size_t>(token)]))
      continue;
    float &logit = logits[static_cast<size_t>(token)];
    logit = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty;
    logit -= static_cast<float>(count) * options.frequencyPenalty + options.presencePenalty;
    logit = std::clamp(logit, -FLT_MAX, FLT_MAX);
  }
}

/// Sets `candidates` to the `count` best of all tokens that may be chosen, best first.
void Sampler::gatherBest(size_t count) {
  candidates.clear();
  float least = -std::numeric_limits<float>::infinity(); // what a logit must be above to be among them
  auto cut = [&] {
    auto end = candidates.begin() + static_cast<std::ptrdiff_t>(std::min(count, candidates.size()));
    std::nth_element(candidates.begin(), end - 1, candidates.end());
    candidates.erase(end, candidates.end());
  };
  for (size_t token = 0; token < logits.size(); ++token) {
    if (!(logits[token] > least))
      continue;
    candidates.push_back({static_cast<TokenId>(token), logits[token]});
    if (candidates.size() < 2 * count)
      continue;
    cut();
    least = candidates.back().logit; // nth_element left the worst of them last
  }
  if (!candidates.empty())
    cut();
  std::sort(candidates.begin(), candidates.end());
}

void Sampler::keepTopK() {
  if (options.topK > 0)
    gatherBest(options.topK);
}

/// Sets `weights` to e^((logit - best) / temperature) of the candidates, or of all tokens if there are none; returns
/// their sum.
double Sampler::weigh(float best, float temperature) {
  weights.resize(candidates.empty() ? logits.size() : candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i)
    weights[i] = exponential((candidates[i].logit - best) / temperature);
  for (size_t i = 0; candidates.empty() && i < logits.size(); ++i)
    weights[i] = exponential((logits[i] - best) / temperature);
  return std::accumulate(weights.begin(), weights.end(), 0.0);
}

void Sampler::keepTopP(float best) {
  if (options.topP >= 1)
    return;
  bool areAllLeft = candidates.empty();
  double wanted = options.topP * weigh(best, 1);
  // Most distributions reach p within few tokens, thus more are gathered only as they are needed.
  for (size_t count = 64;; count *= 8) {
    if (areAllLeft)
      gatherBest(count);
    double sum = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      sum += exponential(candidates[i].logit - best);
      if (sum >= wanted)
        return candidates.resize(i + 1);
    }
    if (!areAllLeft || count >= logits.size())
      return;
  }
}

void Sampler::keepMinP(float best) {
  if (options.minP == 0)
    return;
  if (!candidates.empty()) {
    std::erase_if(candidates, [&](const Candidate &each) { return exponential(each.logit - best) < options.minP; });
    return;
  }
  weigh(best, 1);
  for (size_t token = 0; token < weights.size(); ++token)
    if (weights[token] >= options.minP)
      candidates.push_back({static_cast<TokenId>(token), logits[token]});
}

TokenId Sampler::draw(Candidate best) {
  double left = weigh(best.logit, options.temperature) * (static_cast<double>(random() >> 11) * 0x1p-53);
  for (size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0)
      return candidates.empty() ? static_cast<TokenId>(i) : candidates[i].token;
  }
  return best.token; // the sum was rounded up
}

} // namespace kvasir
