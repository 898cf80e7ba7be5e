// SPDX-License-Identifier: MIT
#include "runtime/state/element.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace kvasir::runtime {
namespace {

template <typename T> T load(const uint8_t *bytes, uint64_t bit) {
  T value;
  std::memcpy(&value, bytes + bit / 8, sizeof value);
  return value;
}

/// An unsigned number of `width` <= 8 bits that may straddle two bytes.
unsigned loadBits(const uint8_t *bytes, uint64_t bit, unsigned width) {
  const uint8_t *first = bytes + bit / 8;
  const unsigned shift = bit % 8;
  unsigned pair = first[0];
  if (shift + width > 8)
    pair |= unsigned{first[1]} << 8;
  return (pair >> shift) & ((1u << width) - 1);
}

float floatFromHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 0)
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::ldexp(static_cast<float>(fraction), -24)));
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

} // namespace

float loadElement(const uint8_t *bytes, uint64_t bit, ElementType type) {
  switch (type) {
  case ElementType::f32:
    return load<float>(bytes, bit);
  case ElementType::f16:
    return floatFromHalf(load<uint16_t>(bytes, bit));
  case ElementType::bf16:
    return std::bit_cast<float>(uint32_t{load<uint16_t>(bytes, bit)} << 16);
  case ElementType::i8:
    return load<int8_t>(bytes, bit);
  case ElementType::i32:
    return static_cast<float>(load<int32_t>(bytes, bit));
  case ElementType::i64:
    return static_cast<float>(load<int64_t>(bytes, bit));
  case ElementType::f64:
    return static_cast<float>(load<double>(bytes, bit));
  case ElementType::u8:
  case ElementType::u4:
  case ElementType::u5:
  case ElementType::u6:
    return static_cast<float>(loadBits(bytes, bit, elementBits(type)));
  }
  __builtin_unreachable();
}

} // namespace kvasir::runtime
