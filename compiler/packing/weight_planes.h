// SPDX-License-Identifier: MIT
// What the planes of a weight's layout give.
#ifndef KVASIR_PACKING_WEIGHT_PLANES_H
#define KVASIR_PACKING_WEIGHT_PLANES_H

#include "plugins/layout.h"

#include <array>

namespace kvasir {

/// Two planes of codes hold their low bits and those above; two of scales (or of mins) multiples and the units of which
/// they are that many.
enum class WeightPart { value, code, highBits, scale, unit, min, minUnit };
inline constexpr size_t kNumWeightParts = 7;

/// The planes by WeightPart; null where the layout has none.
std::array<const Plane *, kNumWeightParts> weightPlanes(const Layout &layout);

/// Bits of a column in a plane of high bits: columns that digits of stride 0 count share its elements.
unsigned numHighBits(const Plane &highBits);

/// The same plane with each column's bits where they lie in the shared element: those of the first column lowest.
Plane spreadHighBits(const Plane &highBits);

} // namespace kvasir

#endif
