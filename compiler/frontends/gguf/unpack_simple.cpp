// SPDX-License-Identifier: MIT
// Floats; and blocks of 32 elements: scale (f16), perhaps min (f16), perhaps fifth bits (u32), nibbles. Low nibbles are
// elements 0 to 15, high ones 16 to 31. MXFP4 has a power of two as scale, and floats of four bits as nibbles. Sources:
// ggml-common.h, block_q4_0 to block_mxfp4; OCP Microscaling Formats (MX) Specification 1.0.
#include "compiler/frontends/gguf/unpack.h"

#include <cstring>

namespace kvasir::gguf {
namespace {

constexpr uint64_t kBlock = 32;

enum class Min : bool { no, yes };
enum class FifthBit : bool { no, yes };

template <Min min, FifthBit fifthBit> void unpackRow(const uint8_t *block, WeightRow &row) {
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b) {
    uint8_t *codes = row.codes() + b * kBlock;
    std::memcpy(row.scales() + 2 * b, block, 2);
    block += 2;
    if constexpr (min == Min::yes) {
      std::memcpy(row.mins() + 2 * b, block, 2);
      block += 2;
    }
    uint32_t bits = 0;
    if constexpr (fifthBit == FifthBit::yes) {
      std::memcpy(&bits, block, sizeof(bits));
      block += sizeof(bits);
    }
    unpackNibbles(block, codes);
    block += kBlock / 2;
    if constexpr (fifthBit == FifthBit::yes)
      for (uint64_t i = 0; i < kBlock; ++i)
        codes[i] |= (bits >> i & 1) << 4;
  }
}

void unpackFloats(const uint8_t *blocks, WeightRow &row) {
  std::memcpy(row.codes(), blocks, row.columns() * codeBytes(row.form()));
}

void unpackQ4_0(const uint8_t *blocks, WeightRow &row) { unpackRow<Min::no, FifthBit::no>(blocks, row); }
void unpackQ4_1(const uint8_t *blocks, WeightRow &row) { unpackRow<Min::yes, FifthBit::no>(blocks, row); }
void unpackQ5_0(const uint8_t *blocks, WeightRow &row) { unpackRow<Min::no, FifthBit::yes>(blocks, row); }
void unpackQ5_1(const uint8_t *blocks, WeightRow &row) { unpackRow<Min::yes, FifthBit::yes>(blocks, row); }

void unpackQ8_0(const uint8_t *blocks, WeightRow &row) {
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, blocks += 2 + kBlock) {
    std::memcpy(row.scales() + 2 * b, blocks, 2);
    std::memcpy(row.codes() + b * kBlock, blocks + 2, kBlock);
  }
}

/// Twice the values of e2m1 floats, sign in the highest bit, are whole numbers; halves of their scales, a byte e for
/// 2^(e - 128), are all in bf16's range, the two least as subnormals.
constexpr std::array<int8_t, 16> kDoubledE2m1 = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12};

void unpackMxfp4(const uint8_t *block, WeightRow &row) {
  constexpr int8_t kDoubled[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += 1 + kBlock / 2) {
    const uint8_t exponent = *block;
    const uint16_t scale = uint16_t(exponent < 2 ? 0x20 << exponent : (exponent - 1) << 7);
    std::memcpy(row.scales() + 2 * b, &scale, sizeof(scale));
    uint8_t *codes = row.codes() + b * kBlock;
    unpackNibbles(block + 1, codes);
    for (uint64_t i = 0; i < kBlock; ++i)
      codes[i] = uint8_t(kDoubled[codes[i]]);
  }
}

using enum ElementType;

constexpr BlockFormat kFormats[] = {
    {"BF16", {.codes = bf16}, unpackFloats},
    {"F16", {.codes = f16}, unpackFloats},
    {"F32", {.codes = f32}, unpackFloats},
    {"MXFP4", {.codes = i8, .group = 32, .scale = bf16, .values = kDoubledE2m1}, unpackMxfp4},
    {"Q4_0", {.codes = u4, .group = 32, .scale = f16, .zero = 8}, unpackQ4_0},
    {"Q4_1", {.codes = u4, .group = 32, .scale = f16, .min = f16}, unpackQ4_1},
    {"Q5_0", {.codes = u5, .group = 32, .scale = f16, .zero = 16}, unpackQ5_0},
    {"Q5_1", {.codes = u5, .group = 32, .scale = f16, .min = f16}, unpackQ5_1},
    {"Q8_0", {.codes = i8, .group = 32, .scale = f16}, unpackQ8_0},
};

} // namespace

std::span<const BlockFormat> simple::formats() { return kFormats; }

} // namespace kvasir::gguf
