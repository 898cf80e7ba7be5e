// SPDX-License-Identifier: MIT
// Nibbles that are indexes of sixteen values: in blocks of 32 elements with a scale each (IQ4_NL), or of 256 whose
// scale is multiplied by six bits for each 32 (IQ4_XS). Source: ggml-common.h, block_iq4_nl, block_iq4_xs,
// kvalues_iq4nl.
#include "compiler/frontends/gguf/unpack.h"

#include <cstring>

namespace kvasir::gguf {
namespace {

constexpr uint64_t kGroup = 32, kGroupBytes = kGroup / 2;

constexpr std::array<int8_t, 16> kValues = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void unpackGroup(const uint8_t *nibbles, uint8_t *codes) {
  unpackNibbles(nibbles, codes);
  for (uint64_t i = 0; i < kGroup; ++i)
    codes[i] = uint8_t(kValues[codes[i]]);
}

void unpackIq4Nl(const uint8_t *block, WeightRow &row) {
  for (uint64_t b = 0; b < row.columns() / kGroup; ++b, block += 2 + kGroupBytes) {
    std::memcpy(row.scales() + 2 * b, block, 2);
    unpackGroup(block + 2, row.codes() + b * kGroup);
  }
}

/// A block begins with d, 16 bits that hold the upper two of each multiple, and 4 bytes that hold the lower four; they
/// count from -32.
void unpackIq4Xs(const uint8_t *block, WeightRow &row) {
  constexpr uint64_t kGroups = kSuperblock / kGroup, kBlockBytes = 8 + kGroups * kGroupBytes;
  for (uint64_t b = 0; b < row.columns() / kSuperblock; ++b, block += kBlockBytes) {
    std::memcpy(row.units() + 2 * b, block, 2);
    for (uint64_t g = 0; g < kGroups; ++g) {
      const int low = block[4 + g / 2] >> 4 * (g % 2) & 15, high = block[2 + g / 4] >> 2 * (g % 4) & 3;
      row.scales()[b * kGroups + g] = uint8_t((low | high << 4) - 32);
      unpackGroup(block + 8 + g * kGroupBytes, row.codes() + b * kSuperblock + g * kGroup);
    }
  }
}

using enum ElementType;

constexpr BlockFormat kFormats[] = {
    {"IQ4_NL", {.codes = i8, .group = 32, .scale = f16, .values = kValues}, unpackIq4Nl},
    {"IQ4_XS", {.codes = i8, .group = 32, .scale = i8, .values = kValues}, unpackIq4Xs},
};

} // namespace

std::span<const BlockFormat> iq4::formats() { return kFormats; }

} // namespace kvasir::gguf
