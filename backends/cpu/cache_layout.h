// SPDX-License-Identifier: MIT
// How rows of a cache lie in a block of 128 tokens: bf16, the same for every variant, so that a state may move.
#ifndef KVASIR_BACKENDS_CPU_CACHE_LAYOUT_H
#define KVASIR_BACKENDS_CPU_CACHE_LAYOUT_H

#include "plugins/layout.h"

namespace kvasir::cpu {

constexpr int64_t kBlockTokens = 128;
constexpr int64_t kKeyTile = 64;

/// Bytes of one head of one layer in a block.
constexpr int64_t cacheHeadBytes(int64_t width) { return kBlockTokens * width * 2; }

/// Keys [layer][head][128 / 64][D / 2][64 tokens][2 lanes]: lanes in pairs, tokens side by side for q k.
/// Values [layer][head][128 / 2][D][2 tokens]: tokens in pairs, lanes side by side for p v. So do keys of an odd number of
/// lanes lie, which no kernel takes.
inline Layout cacheLayout(uint64_t layers, uint64_t heads, uint64_t width, bool isKeys) {
  uint64_t headBits = uint64_t(cacheHeadBytes(width)) * 8;
  std::vector<Digit> digits;
  if (isKeys && width % 2 == 0)
    digits = {{Axis::lane, 2, 16},
              {Axis::lane, width / 2, kKeyTile * 32},
              {Axis::token, kKeyTile, 32},
              {Axis::token, 2, kKeyTile * width * 16}};
  else
    digits = {{Axis::token, 2, 16}, {Axis::token, kBlockTokens / 2, width * 32}, {Axis::lane, width, 32}};
  digits.push_back({Axis::head, heads, headBits});
  digits.push_back({Axis::layer, layers, heads * headBits});
  Layout layout;
  layout.sizeBytes = layers * heads * headBits / 8;
  layout.planes.push_back({PlaneRole::value, ElementType::bf16, 0, digits});
  return layout;
}

} // namespace kvasir::cpu

#endif
