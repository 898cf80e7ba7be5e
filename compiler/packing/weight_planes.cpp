// SPDX-License-Identifier: MIT
#include "compiler/packing/weight_planes.h"

namespace kvasir {
namespace {

/// The part that the first plane of a role is, and the second one.
std::pair<WeightPart, WeightPart> partsOf(PlaneRole role) {
  using enum WeightPart;
  static constexpr std::pair<WeightPart, WeightPart> kParts[] = {
      {value, value}, {code, highBits}, {scale, unit}, {min, minUnit}};
  return kParts[size_t(role)];
}

} // namespace

std::array<const Plane *, kNumWeightParts> weightPlanes(const Layout &layout) {
  std::array<const Plane *, kNumWeightParts> planes{};
  for (const Plane &plane : layout.planes) {
    auto [first, second] = partsOf(plane.role);
    planes[size_t(planes[size_t(first)] ? second : first)] = &plane;
  }
  return planes;
}

unsigned numHighBits(const Plane &highBits) {
  unsigned bits = elementBits(highBits.element);
  for (const Digit &digit : highBits.digits)
    if (digit.strideBits == 0)
      bits /= unsigned(digit.extent);
  return bits;
}

Plane spreadHighBits(const Plane &highBits) {
  Plane spread = highBits;
  uint64_t stride = numHighBits(highBits);
  for (Digit &digit : spread.digits)
    if (digit.strideBits == 0) {
      digit.strideBits = stride;
      stride *= digit.extent;
    }
  return spread;
}

} // namespace kvasir
