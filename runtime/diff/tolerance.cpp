// SPDX-License-Identifier: MIT
#include "runtime/diff/tolerance.h"

#include <algorithm>
#include <cmath>

namespace kvasir::runtime::diff {
namespace {

constexpr double kSums = 0x1p-18;
constexpr double kRoundingsOfALayer = 8;
constexpr uint64_t kLeastTerms = 16;

double unitOf(ElementType element) {
  switch (element) {
  case ElementType::bf16:
    return 0x1p-8;
  case ElementType::f16:
    return 0x1p-11;
  case ElementType::f32:
    return 0x1p-24;
  case ElementType::f64:
    return 0x1p-53;
  default:
    return std::ldexp(1, -static_cast<int>(elementBits(element)));
  }
}

/// Of what slots store: values, or codes.
double unitOfRows(const Description &description) {
  double unit = 0;
  for (const SlotDescription &slot : description.slots)
    for (const Plane &plane : slot.layout.planes)
      if (plane.role == PlaneRole::value || plane.role == PlaneRole::code)
        unit = std::max(unit, unitOf(plane.element));
  return unit;
}

double unitOfActivations(const Description &description) {
  const Activations activations = description.numerics.activations;
  return activations == Activations::int8 ? 0x1p-6 : activations == Activations::bf16 ? 0x1p-8 : 0;
}

/// Layers that have rows of their own, whichever slots hold them.
uint64_t layersOf(const Description &description) {
  uint64_t rows = 0, registers = 0;
  for (const SlotDescription &slot : description.slots)
    if (slot.kind == SlotKind::reg)
      registers = std::max(registers, slot.layers);
    else if (slot.values.empty())
      rows += slot.layers;
  return std::max(rows, registers);
}

} // namespace

Tolerances::Tolerances(const Description &a, const Description &b)
    : isExact(a.backend == b.backend && a.numerics.id == b.numerics.id),
      activations(std::max(unitOfActivations(a), unitOfActivations(b))),
      coarsest(std::max({activations, unitOfRows(a), unitOfRows(b), kSums})),
      numLayers(std::max(layersOf(a), layersOf(b))) {}

double Tolerances::atDepth(uint64_t depth) const {
  return isExact ? 0 : coarsest * (4 + 2 * std::sqrt(kRoundingsOfALayer * static_cast<double>(depth)));
}

double Tolerances::ofState(const SlotDescription &slot, uint64_t layer) const {
  // A slot of some layers only may have them at the end; a register keeps what came before.
  const bool isAnywhere = slot.kind == SlotKind::reg || slot.layers > numLayers;
  return atDepth(isAnywhere ? numLayers : layer + (numLayers - slot.layers));
}

double Tolerances::ofOutputs() const { return atDepth(numLayers); }

double Tolerances::ofResponse(double response) const { return isExact ? 0 : 4 * coarsest + 4 * response; }

double Tolerances::ofOp(uint64_t columns) const {
  return isExact ? 0 : std::max(4 * activations, 0x1p-23 * static_cast<double>(std::max(columns, kLeastTerms)));
}

} // namespace kvasir::runtime::diff
