// SPDX-License-Identifier: MIT
#include "runtime/diff/rerouted.h"

#include <cmath>

namespace kvasir::runtime::diff {

double mostRerouted(uint64_t numRows, const DrawnRows &drawn) {
  if (drawn.num == 0)
    return 0;
  const double share = static_cast<double>(drawn.numFar + 1) / static_cast<double>(drawn.num);
  const double mean = std::sqrt(8.0 / 2 / 3) * share * static_cast<double>(numRows);
  return mean + 4 * std::sqrt(mean) + 1;
}

} // namespace kvasir::runtime::diff
