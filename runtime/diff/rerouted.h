// SPDX-License-Identifier: MIT
// Rows of a mixture of experts in which rounding chose another expert.
#ifndef KVASIR_RUNTIME_DIFF_REROUTED_H
#define KVASIR_RUNTIME_DIFF_REROUTED_H

#include <cstdint>

namespace kvasir::runtime::diff {

/// Rows of a layer, in A's draws: all draws' together, and those further from A's than rounding explains.
struct DrawnRows {
  uint64_t num = 0, numFar = 0;
};

/// Of `numRows` rows of B's, how many may be far from A's because their experts' logits nearly tie.
///
/// How far rounding moves the logits says how often it makes another choice, and no more: near 0 all gaps between two
/// logits are as likely. Draws make 2 of a layer's 8 roundings (Tolerances::ofResponse), but move each number by all of
/// a unit, where rounding moves it by anything up to that, by 1 / sqrt(3) in the root mean square: B's logits move
/// sqrt(8 / 2 / 3) times as far, and it has so many times as many such rows as a draw. One is added to those that the
/// draws have, which may be few by luck; and of the mean m that this gives, m + 4 sqrt(m) + 1 bounds how many there
/// are, were rows independent (Poisson: one case in 10,000 is beyond).
double mostRerouted(uint64_t numRows, const DrawnRows &drawn);

} // namespace kvasir::runtime::diff

#endif
