// SPDX-License-Identifier: MIT
// How rows of a cache lie in a block of 128 tokens, the same for every variant, so that a state may move.
#ifndef KVASIR_BACKENDS_CPU_CACHE_LAYOUT_H
#define KVASIR_BACKENDS_CPU_CACHE_LAYOUT_H

#include "plugins/include/kvasir/plugin.h"
#include "plugins/layout.h"

namespace kvasir::cpu {

constexpr int64_t kBlockTokens = KV_BLOCK_TOKENS;
constexpr int64_t kKeyTile = 64;

/// Bytes of one head of one layer in a block, of bf16 or f16.
constexpr int64_t cacheHeadBytes(int64_t width) { return kBlockTokens * width * 2; }

/// bf16: keys [layer][head][128 / 64][D / 2][64 tokens][2 lanes]: lanes in pairs, tokens side by side for q k.
/// values [layer][head][128 / 2][D][2 tokens]: tokens in pairs, lanes side by side for p v. So do keys of an odd number
/// of lanes lie, which no kernel takes. f16, whose conversion takes neighbours: keys [layer][head][128 / 64][D][64
/// tokens], values [layer][head][128][D]. f32, which no kernel reads, lies like the latter.
inline Layout cacheLayout(uint64_t layers, uint64_t heads, uint64_t width, bool isKeys,
                          ElementType element = ElementType::bf16) {
  const uint64_t bits = element == ElementType::f32 ? 32 : 16, headBits = kBlockTokens * width * bits;
  std::vector<Digit> digits;
  if (isKeys && element == ElementType::f16)
    digits = {{Axis::token, kKeyTile, 16}, {Axis::token, 2, kKeyTile * width * 16}, {Axis::lane, width, kKeyTile * 16}};
  else if (element != ElementType::bf16)
    digits = {{Axis::lane, width, bits}, {Axis::token, kBlockTokens, width * bits}};
  else if (isKeys && width % 2 == 0)
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
  layout.planes.push_back({PlaneRole::value, element, 0, digits});
  return layout;
}

} // namespace kvasir::cpu

#endif
