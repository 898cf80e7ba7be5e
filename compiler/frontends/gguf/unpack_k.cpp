// SPDX-License-Identifier: MIT
// Blocks of 256 elements in two levels: the scale of a group is the block's (f16) times the group's (4, 6 or 8 bits).
// Source: ggml-common.h, block_q2_K to block_q6_K, and ggml-quants.c for the order of the bits.
#include "compiler/frontends/gguf/unpack.h"

#include <cstring>

namespace kvasir::gguf {
namespace {

constexpr uint64_t kBlock = kSuperblock;
constexpr uint64_t kGroups = 8;    // of 32, in Q4_K and Q5_K
constexpr uint64_t kSixteens = 16; // groups of 16, in the others

/// d, then dmin. Mins are subtracted: their unit is -dmin.
void unpackUnits(const uint8_t *units, uint64_t index, WeightRow &row) {
  std::memcpy(row.units() + 2 * index, units, 2);
  std::memcpy(row.minUnits() + 2 * index, units + 2, 2);
  row.minUnits()[2 * index + 1] ^= 0x80;
}

/// One bit more of each of 256 codes, at bit `place`: bit g of byte i belongs to element 32 g + i.
void addBits(const uint8_t *bits, unsigned place, uint8_t *codes) {
  for (uint64_t g = 0; g < kGroups; ++g)
    for (uint64_t i = 0; i < 32; ++i)
      codes[32 * g + i] |= (bits[i] >> g & 1) << place;
}

/// Scales and mins of a Q4_K or Q5_K block, which begins with d, dmin and 12 bytes of 6-bit numbers: of groups 0 to 3
/// the low six bits of bytes g and g + 4; of groups 4 to 7 the nibbles of byte g + 4, under the two bits left over.
void unpackScales(const uint8_t *block, uint64_t index, WeightRow &row) {
  unpackUnits(block, index, row);
  const uint8_t *packed = block + 4;
  for (uint64_t g = 0; g < kGroups; ++g) {
    uint8_t &scale = row.scales()[index * kGroups + g], &min = row.mins()[index * kGroups + g];
    if (g < 4) {
      scale = packed[g] & 63;
      min = packed[g + 4] & 63;
    } else {
      scale = uint8_t((packed[g + 4] & 15) | packed[g - 4] >> 6 << 4);
      min = uint8_t(packed[g + 4] >> 4 | packed[g] >> 6 << 4);
    }
  }
}

/// 32 bytes of nibbles hold 64 codes: first the low nibbles, then the high ones.
void unpackBlockOfNibbles(const uint8_t *nibbles, uint8_t *codes) {
  for (uint64_t pair = 0; pair < kGroups / 2; ++pair)
    for (uint64_t i = 0; i < 32; ++i) {
      codes[64 * pair + i] = nibbles[32 * pair + i] & 15;
      codes[64 * pair + 32 + i] = nibbles[32 * pair + i] >> 4;
    }
}

/// 64 bytes of pairs of bits hold 256 codes: of 32 bytes each first the lowest pairs, then those above.
void unpackPairs(const uint8_t *pairs, uint8_t *codes) {
  for (uint64_t half = 0; half < 2; ++half)
    for (uint64_t q = 0; q < 4; ++q)
      for (uint64_t i = 0; i < 32; ++i)
        codes[128 * half + 32 * q + i] = pairs[32 * half + i] >> 2 * q & 3;
}

/// A byte holds a group's scale and, above, its min, which is subtracted.
void unpackQ2_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 84;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    for (uint64_t g = 0; g < kSixteens; ++g) {
      row.scales()[b * kSixteens + g] = block[g] & 15;
      row.mins()[b * kSixteens + g] = block[g] >> 4;
    }
    unpackPairs(block + 16, row.codes() + b * kBlock);
    unpackUnits(block + 80, b, row);
  }
}

/// Third bits, pairs of bits, 16 scales of six bits that count from -32 (the low four as nibbles of 8 bytes, the upper
/// two in 4 bytes), and their unit.
void unpackQ3_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 110;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    uint8_t *codes = row.codes() + b * kBlock;
    unpackPairs(block + 32, codes);
    addBits(block, 2, codes);
    const uint8_t *packed = block + 96;
    for (uint64_t g = 0; g < kSixteens; ++g) {
      const int low = packed[g % 8] >> 4 * (g / 8) & 15, high = packed[8 + g % 4] >> 2 * (g / 4) & 3;
      row.scales()[b * kSixteens + g] = uint8_t((low | high << 4) - 32);
    }
    std::memcpy(row.units() + 2 * b, block + 108, 2);
  }
}

void unpackQ4_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 144;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    unpackScales(block, b, row);
    unpackBlockOfNibbles(block + 16, row.codes() + b * kBlock);
  }
}

void unpackQ5_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 176;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    uint8_t *codes = row.codes() + b * kBlock;
    unpackScales(block, b, row);
    unpackBlockOfNibbles(block + 48, codes);
    addBits(block + 16, 4, codes);
  }
}

void unpackQ6_K(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kBlockBytes = 210;
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kBlockBytes) {
    std::memcpy(row.scales() + b * kSixteens, block + 192, kSixteens);
    std::memcpy(row.units() + 2 * b, block + 208, 2);
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
    {"Q2_K", {.codes = u2, .group = 16, .scale = i8, .min = i8}, unpackQ2_K},
    {"Q3_K", {.codes = u3, .group = 16, .scale = i8, .zero = 4}, unpackQ3_K},
    {"Q4_K", {.codes = u4, .group = 32, .scale = i8, .min = i8}, unpackQ4_K},
    {"Q5_K", {.codes = u5, .group = 32, .scale = i8, .min = i8}, unpackQ5_K},
    {"Q6_K", {.codes = u6, .group = 16, .scale = i8, .zero = 32}, unpackQ6_K},
};

} // namespace

std::span<const BlockFormat> k::formats() { return kFormats; }

} // namespace kvasir::gguf
