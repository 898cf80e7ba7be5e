// SPDX-License-Identifier: MIT
#include "runtime/audit/cells.h"

#include "kvasir/plugin.h"

#include <algorithm>
#include <iterator>

namespace kvasir::runtime::audit {
namespace {

/// 1.5 and -2.75 in floats; codes and whole numbers that are neither zero nor each other.
struct Fills {
  uint64_t a, b;
};
constexpr Fills kFills[] = {
    {0x3fc00000, 0xc0300000},                 // f32
    {0x3e00, 0xc180},                         // f16
    {0x3fc0, 0xc030},                         // bf16
    {0x35, 0xcb},                             // i8
    {0x35, 0xca},                             // u8
    {0x5, 0xa},                               // u4
    {0x15, 0x0a},                             // u5
    {0x15, 0x2a},                             // u6
    {53, 0xffffffcb},                         // i32
    {53, 0xffffffffffffffcb},                 // i64
    {0x3ff8000000000000, 0xc006000000000000}, // f64
    {0x1, 0x2},                               // u2
    {0x5, 0x2},                               // u3
};
static_assert(std::size(kFills) == static_cast<size_t>(ElementType::u3) + 1);

uint64_t bitAt(const Plane &plane, Axis axis, uint64_t index) {
  uint64_t indices[kNumAxes] = {};
  indices[static_cast<size_t>(axis)] = index;
  return bitOffset(plane, indices) - plane.offsetBits;
}

std::vector<uint64_t> axisBits(const Plane &plane, Axis axis, uint64_t count) {
  std::vector<uint64_t> bits;
  for (uint64_t index = 0; index < count; ++index)
    bits.push_back(bitAt(plane, axis, index));
  return bits;
}

bool hasRepetition(std::vector<uint64_t> bits) {
  std::ranges::sort(bits);
  return std::ranges::adjacent_find(bits) != bits.end();
}

/// Bytes of one layer where a block has one plane and the layers are its outermost digit; else 0.
uint64_t layerBytesOf(const SlotDescription &slot) {
  if (slot.layout.planes.size() != 1 || slot.layout.planes[0].offsetBits != 0)
    return 0;
  const Plane &plane = slot.layout.planes[0];
  uint64_t strideBits = 0, insideBits = elementBits(plane.element);
  for (const Digit &digit : plane.digits) {
    if (digit.axis == Axis::layer && digit.extent == slot.layers)
      strideBits = digit.strideBits;
    else
      insideBits += (digit.extent - 1) * digit.strideBits;
  }
  return insideBits <= strideBits && strideBits % 8 == 0 ? strideBits / 8 : 0;
}

uint64_t lanesOf(const SlotDescription &slot) {
  uint64_t lanes = slot.width;
  if (slot.kind == SlotKind::reg) {
    lanes = 1;
    for (const uint64_t extent : slot.shape)
      lanes *= extent;
  }
  return lanes;
}

} // namespace

Cells::Cells(const SlotDescription &slot)
    : numTokens(slot.kind == SlotKind::cache ? KV_BLOCK_TOKENS : 1), numLayers(slot.layers),
      sizeBytes(slot.layout.sizeBytes), oneLayerBytes(layerBytesOf(slot)) {
  for (const Plane &plane : slot.layout.planes)
    addPlane(plane, slot);
}

void Cells::addPlane(const Plane &plane, const SlotDescription &slot) {
  PlaneCells cells{plane.element,
                   elementBits(plane.element),
                   axisBits(plane, Axis::layer, numLayers),
                   axisBits(plane, Axis::token, numTokens),
                   {},
                   {}};
  // What several rows or layers share belongs to none of them.
  if (hasRepetition(cells.layerBits) || hasRepetition(cells.tokenBits))
    return;
  for (uint64_t &bits : cells.layerBits)
    bits += plane.offsetBits;
  const auto lanes = axisBits(plane, Axis::lane, lanesOf(slot));
  const auto heads = axisBits(plane, Axis::head, slot.kind == SlotKind::cache ? slot.heads : 1);
  for (const uint64_t head : heads)
    for (const uint64_t lane : lanes)
      cells.elementBits.push_back(head + lane);
  std::ranges::sort(cells.elementBits);
  cells.elementBits.erase(std::ranges::unique(cells.elementBits).begin(), cells.elementBits.end());
  const Fills &fills = kFills[static_cast<size_t>(plane.element)];
  cells.fills[0] = fills.a;
  cells.fills[1] = fills.b;
  numElements += cells.elementBits.size();
  rawBytes += cells.elementBits.size() * std::max(1u, cells.bits / 8);
  planes.push_back(std::move(cells));
}

uint8_t Cells::loadPart(const uint8_t *bytes, uint64_t bit, unsigned bits) {
  unsigned pair = bytes[bit / 8];
  if (bit % 8 + bits > 8)
    pair |= unsigned{bytes[bit / 8 + 1]} << 8;
  return static_cast<uint8_t>(pair >> bit % 8 & ((1u << bits) - 1));
}

void Cells::storePart(uint8_t *bytes, uint64_t bit, unsigned bits, uint8_t number) {
  const unsigned shift = bit % 8, mask = ((1u << bits) - 1) << shift, value = unsigned{number} << shift;
  bytes[bit / 8] = static_cast<uint8_t>((bytes[bit / 8] & ~mask) | value);
  if (shift + bits > 8)
    bytes[bit / 8 + 1] = static_cast<uint8_t>((bytes[bit / 8 + 1] & ~(mask >> 8)) | value >> 8);
}

void Cells::fillRow(uint8_t *block, uint64_t layer, uint64_t token, Fill fill) const {
  visitRow(block, layer, token, [&](auto &value, const PlaneCells &plane) {
    value = static_cast<std::remove_reference_t<decltype(value)>>(plane.fills[static_cast<size_t>(fill)]);
  });
}

void Cells::takeRow(const uint8_t *block, uint64_t layer, uint64_t token, uint8_t *raw) const {
  visitRow(const_cast<uint8_t *>(block), layer, token, [&](const auto &value, const PlaneCells &) {
    std::memcpy(raw, &value, sizeof value);
    raw += sizeof value;
  });
}

bool Cells::isUnlike(const uint8_t *block, uint64_t layer, uint64_t token, const uint8_t *raw) const {
  bool unlike = false;
  visitRow(const_cast<uint8_t *>(block), layer, token, [&](const auto &value, const PlaneCells &) {
    unlike |= std::memcmp(raw, &value, sizeof value) != 0;
    raw += sizeof value;
  });
  return unlike;
}

bool Cells::differs(const uint8_t *block, const uint8_t *other, uint64_t layer, uint64_t token) const {
  std::vector<uint8_t> raw(rawBytes);
  takeRow(other, layer, token, raw.data());
  return isUnlike(block, layer, token, raw.data());
}

} // namespace kvasir::runtime::audit
