// SPDX-License-Identifier: MIT
#include "plugins/layout.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace kvasir {
namespace {

struct ElementFacts {
  const char *name;
  unsigned bits;
};

// In the order of the enums.
constexpr ElementFacts kElements[] = {{"f32", 32}, {"f16", 16}, {"bf16", 16}, {"i8", 8},   {"u8", 8},
                                      {"u4", 4},   {"u5", 5},   {"u6", 6},    {"i32", 32}, {"i64", 64},
                                      {"f64", 64}, {"u2", 2},   {"u3", 3}};
constexpr const char *kAxes[] = {"layer", "row", "column", "head", "token", "lane"};
constexpr const char *kRoles[] = {"value", "code", "scale", "min"};
static_assert(std::size(kElements) == size_t(ElementType::u3) + 1);
static_assert(std::size(kAxes) == kNumAxes);

template <typename Enum, size_t N>
std::optional<Enum> enumFromName(const char *const (&names)[N], std::string_view name) {
  auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names))
    return std::nullopt;
  return Enum(found - std::begin(names));
}

Status checkPlane(const Plane &plane, uint64_t sizeBits) {
  std::array<uint64_t, kNumAxes> extents;
  extents.fill(1);
  uint64_t lastBit = plane.offsetBits;
  for (const Digit &digit : plane.digits) {
    uint64_t &extent = extents[size_t(digit.axis)];
    if (digit.extent == 0)
      return Failure{std::string("a digit of ") + axisName(digit.axis) + " has extent 0"};
    uint64_t reach;
    if (__builtin_mul_overflow(extent, digit.extent, &extent) ||
        __builtin_mul_overflow(digit.extent - 1, digit.strideBits, &reach) ||
        __builtin_add_overflow(lastBit, reach, &lastBit))
      return Failure{std::string("the digits of ") + axisName(digit.axis) + " overflow 64 bits"};
  }
  if (lastBit > sizeBits || elementBits(plane.element) > sizeBits - lastBit)
    return Failure{std::string("plane of ") + roleName(plane.role) + "s has an element at bit " +
                   std::to_string(lastBit) + ", the layout ends at bit " + std::to_string(sizeBits)};
  return Done{};
}

} // namespace

bool isFloat(ElementType type) {
  return type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16 || type == ElementType::f64;
}

unsigned elementBits(ElementType type) { return kElements[size_t(type)].bits; }
const char *elementName(ElementType type) { return kElements[size_t(type)].name; }
const char *axisName(Axis axis) { return kAxes[size_t(axis)]; }
const char *roleName(PlaneRole role) { return kRoles[size_t(role)]; }

std::optional<ElementType> elementFromName(std::string_view name) {
  auto found = std::find_if(std::begin(kElements), std::end(kElements),
                            [&](const ElementFacts &facts) { return facts.name == name; });
  if (found == std::end(kElements))
    return std::nullopt;
  return ElementType(found - std::begin(kElements));
}

std::optional<Axis> axisFromName(std::string_view name) { return enumFromName<Axis>(kAxes, name); }
std::optional<PlaneRole> roleFromName(std::string_view name) { return enumFromName<PlaneRole>(kRoles, name); }

uint64_t axisExtent(const Plane &plane, Axis axis) {
  uint64_t extent = 1;
  for (const Digit &digit : plane.digits)
    if (digit.axis == axis)
      extent *= digit.extent;
  return extent;
}

uint64_t bitOffset(const Plane &plane, const uint64_t (&indices)[kNumAxes]) {
  std::array<uint64_t, kNumAxes> rest;
  std::copy(std::begin(indices), std::end(indices), rest.begin());
  uint64_t bit = plane.offsetBits;
  for (const Digit &digit : plane.digits) {
    uint64_t &index = rest[size_t(digit.axis)];
    bit += index % digit.extent * digit.strideBits;
    index /= digit.extent;
  }
  return bit;
}

Status checkLayout(const Layout &layout) {
  uint64_t sizeBits;
  if (__builtin_mul_overflow(layout.sizeBytes, uint64_t(8), &sizeBits))
    return Failure{"a layout of " + std::to_string(layout.sizeBytes) + " bytes is too large"};
  for (const Plane &plane : layout.planes)
    if (Status status = checkPlane(plane, sizeBits); !status)
      return status;
  return Done{};
}

} // namespace kvasir
