// SPDX-License-Identifier: MIT
// Blocks of 256 elements: codes of two bits, then a scale (f16); values are (code - 1) times it. Of each half of a
// block, 32 bytes, the lowest pairs of bits are the first 32 elements, the next pairs the next. Kernels read groups of
// 32: eight have a block's scale. Source: ggml-common.h, block_tq2_0.
#include "compiler/frontends/gguf/unpack.h"

#include <cstring>

namespace kvasir::gguf {
namespace {

constexpr uint64_t kBlock = 256, kGroup = 32, kCodeBytes = kBlock / 4, kPairs = 4;

void unpackTq2_0(const uint8_t *block, WeightRow &row) {
  for (uint64_t b = 0; b < row.columns() / kBlock; ++b, block += kCodeBytes + 2)
    for (uint64_t group = 0; group < kBlock / kGroup; ++group) {
      const uint64_t number = b * kBlock / kGroup + group;
      std::memcpy(row.scales() + 2 * number, block + kCodeBytes, 2);
      const uint8_t *bytes = block + group / kPairs * kGroup;
      for (uint64_t i = 0; i < kGroup; ++i)
        row.codes()[number * kGroup + i] = uint8_t((bytes[i] >> 2 * (group % kPairs) & 3) - 1);
    }
}

constexpr BlockFormat kFormats[] = {
    {"TQ2_0", {.codes = ElementType::i8, .group = kGroup, .scale = ElementType::f16}, unpackTq2_0},
};

} // namespace

std::span<const BlockFormat> tq2_0::formats() { return kFormats; }

} // namespace kvasir::gguf
