// SPDX-License-Identifier: MIT
// Attention over a cache, as a program of its own, and what it must give: by brute force in double, over all rows that
// a conversation has had.
#ifndef KVASIR_CONFORMANCE_ATTENTION_H
#define KVASIR_CONFORMANCE_ATTENTION_H

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace conformance {

struct AttentionShape {
  uint64_t queryHeads, heads, width; ///< H, G, D
  uint64_t window = 0;               ///< 0: none
  double softcap = 0;                ///< 0: none
  bool hasSinks = false;
  int mask = 0; ///< kv::Mask: causal, full, prefix

  std::string name() const; ///< "attend.4x2x32.window40"
  double scale() const;     ///< large: few keys decide, so that one that is missing shows
};

/// Function @step appends `keys` and `values` to layer 0, the same with the two exchanged to layer 1, and attends both
/// with `query`: outputs `result` and `second`, and the values of its sinks, if it has some, as `sinks` [1, H].
std::string attentionProgram(const AttentionShape &shape);

/// What a row of attention must be, and how far it may be from that.
struct Expected {
  std::vector<double> values, limits;
};

/// How rows and weights are rounded.
enum class Stored { f32, bf16 };

/// The row that token number `token` gets for `query` [H, D] over keys and values [S, G, D], with sinks [H] or none.
///
/// Limits. A score errs by 6 sqrt(D) u of its magnitude, with bf16 also by its query's rounding, 6 sqrt(sum (q k)^2 /
/// 3) 2^-8; an error e of scores moves the result by at most e sum p |v - result|, twice where all err. Weights p are
/// rounded to 2^-8 where rows are in bf16: 6 sqrt(sum p^2 v^2 / 3) 2^-8. Sums of S products: 6 sqrt(S) u sum p |v|, exp
/// 4 u.
Expected attend(const AttentionShape &shape, uint64_t token, std::span<const float> query, std::span<const float> keys,
                std::span<const float> values, std::span<const float> sinks, Stored stored);

} // namespace conformance

#endif
