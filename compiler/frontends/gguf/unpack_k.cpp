// SPDX-License-Identifier: MIT
// Blocks of 256 elements in two levels: the scale of a group is the block's (f16) times the group's (6 or 8 bits).
// The products have 11 + 7 significant bits at most, so they are exact in f32. Source: ggml-common.h, block_q4_K to
// block_q6_K, and ggml-quants.c for the order of the bits.
#include "compiler/frontends/gguf/unpack.h"

#include "compiler/packing/float_bits.h"

#include <cstring>

namespace kvasir::gguf {
namespace {

constexpr uint64_t kBlock = 256;
constexpr uint64_t kGroups = 8; // of 32, in Q4_K and Q5_K

float halfAt(const uint8_t *bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return f32FromF16(bits);
}

/// Scales and mins of a Q4_K or Q5_K block, which begins with d, dmin and 12 bytes of 6-bit numbers: of groups 0 to 3
/// the low six bits of bytes g and g + 4; of groups 4 to 7 the nibbles of byte g + 4, under the two bits left over.
void unpackScales(const uint8_t *block, uint64_t firstGroup, WeightRow &row) {
  float d = halfAt(block), dmin = halfAt(block + 2);
  const uint8_t *packed = block + 4;
  for (uint64_t g = 0; g < kGroups; ++g) {
    uint32_t scale, min;
    if (g < 4) {
      scale = packed[g] & 63;
      min = packed[g + 4] & 63;
    } else {
      scale = (packed[g + 4] & 15) | packed[g - 4] >> 6 << 4;
      min = packed[g + 4] >> 4 | packed[g] >> 6 << 4;
    }
    setFloatAt(ElementType::f32, row.scales(), firstGroup + g, d * float(scale));
    setFloatAt(ElementType::f32, row.mins(), firstGroup + g, -(dmin * float(min)));
  }
}

/// 32 bytes of nibbles hold 64 codes: first the low nibbles, then the high ones.
void unpackNibbles(const uint8_t *nibbles, uint8_t *codes) {
  for (uint64_t pair = 0; pair < kGroups / 2; ++pair)
    for (uint64_t i = 0; i < 32; ++i) {
      codes[64 * pair + i] = nibbles[32 * pair + i] & 15;
      codes[64 * pair + 32 + i] = nibbles[32 * pair + i] >> 4;
    }
}

void unpackQ4_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 144;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    unpackScales(block, b * kGroups, row);
    unpackNibbles(block + 16, row.codes() + b * kBlock);
  }
}

void unpackQ5_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 176;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    uint8_t *codes = row.codes() + b * kBlock;
    const uint8_t *fifthBits = block + 16; // bit g of byte i belongs to element i of group g
    unpackScales(block, b * kGroups, row);
    unpackNibbles(block + 48, codes);
    for (uint64_t g = 0; g < kGroups; ++g)
      for (uint64_t i = 0; i < 32; ++i)
        codes[32 * g + i] |= (fifthBits[i] >> g & 1) << 4;
  }
}

void unpackQ6_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 210, kSixteens = 16;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    const int8_t *scales = reinterpret_cast<const int8_t *>(block + 192);
    float d = halfAt(block + 208);
    for (uint64_t g = 0; g < kSixteens; ++g)
      setFloatAt(ElementType::f32, row.scales(), b * kSixteens + g, d * float(scales[g]));
    for (uint64_t half = 0; half < 2; ++half) {
      const uint8_t *nibbles = block + 64 * half, *highBits = block + 128 + 32 * half;
      uint8_t *codes = row.codes() + b * kBlock + 128 * half;
      for (uint64_t i = 0; i < 32; ++i)
        for (uint64_t q = 0; q < 4; ++q) { // elements i, 32 + i, 64 + i, 96 + i
          uint8_t low = nibbles[32 * (q & 1) + i] >> 4 * (q >> 1) & 15;
          codes[32 * q + i] = uint8_t(low | (highBits[i] >> 2 * q & 3) << 4);
        }
    }
  }
}

using enum ElementType;

constexpr BlockFormat kFormats[] = {
    {"Q4_K", {.codes = u4, .group = 32, .scale = f32, .min = f32}, unpackQ4_K},
    {"Q5_K", {.codes = u5, .group = 32, .scale = f32, .min = f32}, unpackQ5_K},
    {"Q6_K", {.codes = u6, .group = 16, .scale = f32, .zero = 32}, unpackQ6_K},
};

} // namespace

std::span<const BlockFormat> k::formats() { return kFormats; }

} // namespace kvasir::gguf
