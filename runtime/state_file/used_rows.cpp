// SPDX-License-Identifier: MIT
#include "runtime/state_file/used_rows.h"

#include "runtime/state/plane_rows.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace kvasir::runtime {
namespace {

/// Bits that lie side by side.
struct Run {
  uint64_t first, count;
};

/// The bits of all elements of one layer's first tokens, ascending, neighbours joined.
std::vector<Run> usedRuns(const Plane &plane, const SlotDescription &slot, uint64_t numTokens) {
  std::vector<uint64_t> bits;
  for (uint64_t head = 0; head < slot.heads; ++head)
    for (uint64_t token = 0; token < numTokens; ++token)
      for (uint64_t lane = 0; lane < slot.width; ++lane)
        bits.push_back(rowBit(plane, 0, head, token, lane));
  std::ranges::sort(bits);
  const uint64_t width = elementBits(plane.element);
  std::vector<Run> runs;
  for (const uint64_t bit : bits)
    if (runs.empty() || bit > runs.back().first + runs.back().count)
      runs.push_back({bit, width});
    else
      runs.back().count = bit + width - runs.back().first;
  return runs;
}

/// Bits [first, last) of one byte.
void copyInByte(const uint8_t *from, uint8_t *to, uint64_t byte, unsigned first, unsigned last) {
  const unsigned mask = (1u << last) - (1u << first);
  to[byte] = static_cast<uint8_t>((to[byte] & ~mask) | (from[byte] & mask));
}

/// The same bits of another block, least significant first.
void copyBits(const uint8_t *from, uint8_t *to, const Run &run) {
  uint64_t at = run.first;
  const uint64_t end = run.first + run.count;
  if (at % 8 != 0) {
    const uint64_t next = std::min(end, at / 8 * 8 + 8);
    copyInByte(from, to, at / 8, at % 8, static_cast<unsigned>(next - at / 8 * 8));
    at = next;
  }
  std::memcpy(to + at / 8, from + at / 8, (end - at) / 8);
  at += (end - at) / 8 * 8;
  if (at < end)
    copyInByte(from, to, at / 8, 0, static_cast<unsigned>(end - at));
}

} // namespace

void copyUsedRows(const SlotDescription &slot, uint64_t numTokens, const uint8_t *block, std::span<uint8_t> copy) {
  std::ranges::fill(copy, uint8_t{0});
  for (const Plane &plane : slot.layout.planes) {
    const auto runs = usedRuns(plane, slot, numTokens);
    for (uint64_t layer = 0; layer < slot.layers; ++layer) {
      const uint64_t shift = rowBit(plane, layer, 0, 0, 0) - plane.offsetBits;
      for (const Run &run : runs)
        copyBits(block, copy.data(), {run.first + shift, run.count});
    }
  }
}

} // namespace kvasir::runtime
