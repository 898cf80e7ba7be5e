// SPDX-License-Identifier: MIT
#ifndef KVASIR_RUNTIME_DIFF_DIFFERENCE_H
#define KVASIR_RUNTIME_DIFF_DIFFERENCE_H

#include <cstdint>
#include <span>

namespace kvasir::runtime::diff {

/// Two rows of numbers side by side, and where in them they are furthest apart.
struct Difference {
  double share = 0;     ///< of the rows' largest number; infinite beside a number that is none
  double tolerance = 0; ///< what rounding explains
  uint64_t element = 0;
  double a = 0, b = 0;

  bool isBeyond() const { return share > tolerance; }
};

/// How far two rows are apart, as a share of their largest number or of `scale` if that is larger. Equal bits differ by
/// nothing, whatever they are.
Difference differenceOf(std::span<const float> a, std::span<const float> b, double tolerance, double scale = 0);

} // namespace kvasir::runtime::diff

#endif
