// SPDX-License-Identifier: MIT
// Blocks of 32 elements: an exponent (E8M0), then nibbles, codes of FP4 (E2M1). Low nibbles are elements 0 to 15, high
// ones 16 to 31. Twice an FP4 is a whole number, so codes are these and the scale half of 2^(exponent - 127): exact.
// Source: OCP Microscaling Formats, version 1.0; ggml-common.h, block_mxfp4 and kvalues_mxfp4.
#include "compiler/frontends/gguf/unpack.h"

#include <cmath>

namespace kvasir::gguf {
namespace {

constexpr uint64_t kBlock = 32;
constexpr int8_t kTwiceValues[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void unpackMxfp4(const uint8_t *block, WeightRow &row) {
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += 1 + kBlock / 2) {
    setFloatAt(ElementType::f32, row.scales(), b, std::ldexp(1.0f, int(block[0]) - 128));
    uint8_t *codes = row.codes() + b * kBlock;
    for (uint64_t i = 0; i < kBlock / 2; ++i) {
      codes[i] = uint8_t(kTwiceValues[block[1 + i] & 15]);
      codes[i + kBlock / 2] = uint8_t(kTwiceValues[block[1 + i] >> 4]);
    }
  }
}

constexpr BlockFormat kFormats[] = {
    {"MXFP4", {.codes = ElementType::i8, .group = 32, .scale = ElementType::f32}, unpackMxfp4},
};

} // namespace

std::span<const BlockFormat> mxfp4::formats() { return kFormats; }

} // namespace kvasir::gguf
