// SPDX-License-Identifier: MIT
// Logits to a token.
#ifndef KVASIR_RUNTIME_TEXT_SAMPLING_H
#define KVASIR_RUNTIME_TEXT_SAMPLING_H

#include "plugins/result.h"
#include "plugins/vocabulary.h"

#include <deque>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

namespace kvasir {

/// How a token is chosen. The steps are taken in the order of the fields; at its default, each changes nothing.
///
/// p is the distribution after the step before: softmax of the logits over the tokens that are left, at temperature 1.
/// The temperature comes last, so that what the others leave does not depend on it.
struct SamplingOptions {
  /// Of a token that is among the last `penaltyTokens`, c times, the logit x becomes
  /// (x > 0 ? x / repeatPenalty : x * repeatPenalty) - c * frequencyPenalty - presencePenalty.
  /// Source: Keskar et al. 2019 (CTRL), 4.1; the OpenAI API's definition of the other two.
  float repeatPenalty = 1;
  float frequencyPenalty = 0;
  float presencePenalty = 0;
  uint32_t penaltyTokens = 64;
  /// Leaves the topK largest; 0: all. Source: Fan et al. 2018.
  uint32_t topK = 0;
  /// Leaves the fewest, most probable first, whose p is topP or more in sum. Source: Holtzman et al. 2019.
  float topP = 1;
  /// Leaves those of p ≥ minP · max p. Source: Nguyen et al. 2024.
  float minP = 0;
  /// One of those left is drawn from softmax(logits / temperature); 0: the most probable.
  float temperature = 0;
  uint64_t seed = 0;
};

/// Chooses the tokens of one text. Of equal logits, the token of lower id goes first. The same options, logits and
/// history choose the same tokens on every machine: the random numbers, exponentials and sums are its own.
class Sampler {
public:
  /// Errors: an option out of its range, by name.
  static Result<Sampler> make(const SamplingOptions &options);

  /// The next token; kNoToken if no logit is finite. NaN counts as minus infinity. Does not change the history.
  /// Cost: O(V); one random number unless the temperature is 0.
  TokenId sample(std::span<const float> logits);

  /// Adds a token to the history that penalties look at: of the prompt, or the one that was chosen.
  void accept(TokenId token);

private:
  struct Candidate {
    TokenId token;
    float logit;

    bool operator<(const Candidate &other) const {
      return logit != other.logit ? logit > other.logit : token < other.token;
    }
  };

  explicit Sampler(const SamplingOptions &options) : options(options), random(options.seed) {}
  void penalise();
  void gatherBest(size_t count);
  void keepTopK();
  double weigh(float best, float temperature);
  void keepTopP(float best);
  void keepMinP(float best);
  TokenId draw(Candidate best);

  SamplingOptions options;
  std::mt19937_64 random;
  std::deque<TokenId> recent;
  std::unordered_map<TokenId, uint32_t> counts; // of the tokens in `recent`
  // Of the current call:
  std::vector<float> logits, weights;
  std::vector<Candidate> candidates; // those left, or empty while all are
};

} // namespace kvasir

#endif
