// SPDX-License-Identifier: MIT
#include "runtime/diff/difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvasir::runtime::diff {

Difference differenceOf(std::span<const float> a, std::span<const float> b, double tolerance, double scale) {
  Difference difference{.tolerance = tolerance};
  double largest = scale, apart = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof a[i]) == 0) {
      largest = std::isfinite(a[i]) ? std::max(largest, std::fabs(double{a[i]})) : largest;
      continue;
    }
    double here = std::fabs(double{a[i]} - double{b[i]});
    here = std::isfinite(here) ? here : HUGE_VAL;
    for (const float number : {a[i], b[i]})
      largest = std::isfinite(number) ? std::max(largest, std::fabs(double{number})) : largest;
    if (here > apart) {
      apart = here;
      difference.element = i;
      difference.a = a[i];
      difference.b = b[i];
    }
  }
  difference.share = apart > 0 ? apart / largest : 0; // a difference to zeros only is infinite
  return difference;
}

} // namespace kvasir::runtime::diff
