// SPDX-License-Identifier: MIT
#include "runtime/state/element.h"

#include "plugins/float_bits.h"

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

template <typename T> void store(uint8_t *bytes, uint64_t bit, T value) {
  std::memcpy(bytes + bit / 8, &value, sizeof value);
}

} // namespace

float loadElement(const uint8_t *bytes, uint64_t bit, ElementType type) {
  switch (type) {
  case ElementType::f32:
    return load<float>(bytes, bit);
  case ElementType::f16:
    return f32FromF16(load<uint16_t>(bytes, bit));
  case ElementType::bf16:
    return f32FromBf16(load<uint16_t>(bytes, bit));
  case ElementType::i8:
    return load<int8_t>(bytes, bit);
  case ElementType::i32:
    return static_cast<float>(load<int32_t>(bytes, bit));
  case ElementType::i64:
    return static_cast<float>(load<int64_t>(bytes, bit));
  case ElementType::f64:
    return static_cast<float>(load<double>(bytes, bit));
  case ElementType::u8:
  case ElementType::u2:
  case ElementType::u3:
  case ElementType::u4:
  case ElementType::u5:
  case ElementType::u6:
    return static_cast<float>(loadBits(bytes, bit, elementBits(type)));
  }
  __builtin_unreachable();
}

void storeElement(uint8_t *bytes, uint64_t bit, ElementType type, float value) {
  if (type == ElementType::f32)
    store(bytes, bit, value);
  else if (type == ElementType::f16)
    store(bytes, bit, f16FromF32(value));
  else if (type == ElementType::bf16)
    store(bytes, bit, bf16FromF32(value));
  else
    store(bytes, bit, static_cast<double>(value));
}

} // namespace kvasir::runtime
