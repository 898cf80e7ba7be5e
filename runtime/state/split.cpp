// SPDX-License-Identifier: MIT
#include "runtime/state/split.h"

#include "runtime/state/plane_rows.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime {
namespace {

BlockRef copyOf(const BlockRef &block, BlockPool &pool) {
  BlockRef copy = pool.acquire();
  std::memcpy(copy.bytes(), block.bytes(), pool.blockBytes());
  return copy;
}

/// A number as it lies in a block.
struct Place {
  const uint8_t *block;
  uint64_t bit;
  ElementType element;
};

/// Exact: `element` holds numbers of the other type.
void copyNumber(const Place &from, uint8_t *block, uint64_t bit, ElementType element) {
  if (from.element == element)
    std::memcpy(block + bit / 8, from.block + from.bit / 8, elementBits(element) / 8);
  else
    storeElement(block, bit, element, loadElement(from.block, from.bit, from.element));
}

/// Whether element number n of a register's layer lies n elements after the first, as in all that are compiled.
bool isDense(const Plane &plane) {
  const auto isLane = [](const Digit &digit) { return digit.axis == Axis::lane; };
  const auto lane = std::ranges::find_if(plane.digits, isLane);
  return std::ranges::count_if(plane.digits, isLane) == 1 && lane->strideBits == elementBits(plane.element);
}

/// Rows of one cache beside the register that they come from.
class RowPair {
public:
  RowPair(const Slots &slots, size_t cache)
      : cache(slots[cache]), rows(slots[cache].layout.planes[0]), whole(slots[slots.originOf(cache)].layout.planes[0]),
        isWholeDense(isDense(whole)) {}

  /// Calls copy(cache's block, bit, register's bit) for each number of rows [first, end).
  template <typename Copy> void forEach(const BlockTable &table, uint64_t first, uint64_t end, Copy copy) const {
    for (uint64_t layer = 0; layer < cache.layers; ++layer) {
      const PlaneRows places(rows, cache, layer);
      for (uint64_t row = first; row < end; ++row)
        for (uint64_t element = 0; element < cache.heads * cache.width; ++element)
          copy(table[row / KV_BLOCK_TOKENS].bytes(),
               places.tokenBits[row % KV_BLOCK_TOKENS] + places.elementBits[element],
               wholeBit(cache.from->element(layer, element / cache.width, row, element % cache.width)));
    }
  }

  void toRegister(const BlockTable &table, uint64_t first, uint64_t end, uint8_t *block) const {
    forEach(table, first, end, [&](const uint8_t *from, uint64_t fromBit, uint64_t toBit) {
      copyNumber({from, fromBit, rows.element}, block, toBit, whole.element);
    });
  }

  void toCache(const uint8_t *block, uint64_t first, uint64_t end, const BlockTable &table) const {
    forEach(table, first, end, [&](uint8_t *to, uint64_t toBit, uint64_t fromBit) {
      copyNumber({block, fromBit, whole.element}, to, toBit, rows.element);
    });
  }

private:
  uint64_t wholeBit(uint64_t element) const {
    return isWholeDense ? whole.offsetBits + element * elementBits(whole.element) : registerBit(whole, 0, element);
  }

  const SlotDescription &cache;
  const Plane &rows, &whole;
  const bool isWholeDense;
};

/// Calls visit(cache) for each cache that comes from this register.
template <typename Visit> void forCachesOf(const Slots &slots, size_t reg, Visit visit) {
  for (size_t slot = 0; slot < slots.size(); ++slot)
    if (slots[slot].from && slots.originOf(slot) == reg)
      visit(slot);
}

/// Rows [first, end) of the caches over those of the register.
BlockRef withRows(const State &state, size_t reg, uint64_t first, uint64_t end) {
  const Slots &slots = state.slots();
  BlockRef value = copyOf(state.table(reg)[0], slots.pool(reg));
  forCachesOf(slots, reg,
              [&](size_t cache) { RowPair(slots, cache).toRegister(state.table(cache), first, end, value.bytes()); });
  return value;
}

bool hasRows(const Slots &slots, size_t reg) {
  bool found = false;
  forCachesOf(slots, reg, [&](size_t) { found = true; });
  return found;
}

/// A table of blocks for `end` rows, of which [0, first) are there: the last block is copied, others follow.
BlockTable grown(const BlockTable &table, BlockPool &pool, uint64_t first, uint64_t end) {
  BlockTable blocks = table;
  blocks.shrink(blocksFor(first));
  if (first % KV_BLOCK_TOKENS != 0 && end > first)
    blocks.replace(first / KV_BLOCK_TOKENS, copyOf(table[first / KV_BLOCK_TOKENS], pool));
  while (blocks.size() < blocksFor(end))
    blocks.push(pool.acquire());
  return blocks;
}

void forgetIds(const BlockTable &ids, uint64_t first, uint64_t end) {
  constexpr int32_t kUnknown = -1;
  for (uint64_t token = first; token < end; ++token)
    std::memcpy(ids[token / KV_BLOCK_TOKENS].bytes() + token % KV_BLOCK_TOKENS * sizeof kUnknown, &kUnknown,
                sizeof kUnknown);
}

} // namespace

Contents splitAt(const State &state, uint64_t length) {
  const Slots &slots = state.slots();
  const uint64_t held = state.length();
  Contents contents = state.contents();
  for (size_t table = 0; table < slots.numTables(); ++table)
    if (!slots.isRegister(table))
      contents.tables[table] = grown(state.table(table), slots.pool(table), std::min(held, length), length);
    else if (length < held && hasRows(slots, table))
      contents.tables[table].replace(0, withRows(state, table, length, held));
  for (size_t slot = 0; slot < slots.size() && length > held; ++slot)
    if (slots[slot].from)
      RowPair(slots, slot).toCache(state.table(slots.originOf(slot))[0].bytes(), held, length, contents.tables[slot]);
  forgetIds(contents.tables[slots.idTable()], held, std::max(held, length));
  std::erase_if(contents.checkpoints, [&](const Checkpoint &checkpoint) { return checkpoint.length > length; });
  return contents;
}

BlockRef wholeRegister(const State &state, size_t slot) {
  const bool isWhole = state.length() == 0 || !hasRows(state.slots(), slot);
  return isWhole ? state.table(slot)[0] : withRows(state, slot, 0, state.length());
}

} // namespace kvasir::runtime
