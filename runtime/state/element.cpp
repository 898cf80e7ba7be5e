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

constexpr uint32_t kInfinity = 0x7f800000;

uint16_t halfFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), size = bits & 0x7fffffff;
  const uint32_t sign = bits >> 16 & 0x8000;
  if (size > kInfinity)
    return static_cast<uint16_t>(sign | 0x7e00);
  if (size >= std::bit_cast<uint32_t>(65520.0f)) // half way from the largest to the next
    return static_cast<uint16_t>(sign | 0x7c00);
  if (size < std::bit_cast<uint32_t>(0x1p-14f)) // whole numbers of the smallest; 1024 of them are the first normal one
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(std::fabs(value) * 0x1p24f)));
  return static_cast<uint16_t>(sign | (size + 0xfff + (size >> 13 & 1) - (112u << 23)) >> 13);
}

uint16_t bfloatFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > kInfinity)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <typename T> void store(uint8_t *bytes, uint64_t bit, T value) {
  std::memcpy(bytes + bit / 8, &value, sizeof value);
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

bool canStore(ElementType type) {
  return type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16 || type == ElementType::f64;
}

void storeElement(uint8_t *bytes, uint64_t bit, ElementType type, float value) {
  if (type == ElementType::f32)
    store(bytes, bit, value);
  else if (type == ElementType::f16)
    store(bytes, bit, halfFromFloat(value));
  else if (type == ElementType::bf16)
    store(bytes, bit, bfloatFromFloat(value));
  else
    store(bytes, bit, static_cast<double>(value));
}

} // namespace kvasir::runtime
