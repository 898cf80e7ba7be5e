// SPDX-License-Identifier: MIT
#include "runtime/state/move.h"

#include "runtime/state/rows.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime {
namespace {

/// The element type in which a layout holds plain numbers; nothing if it holds codes.
std::optional<ElementType> plainElement(const SlotDescription &slot) {
  const auto &planes = slot.layout.planes;
  if (planes.size() != 1 || planes[0].role != PlaneRole::value)
    return std::nullopt;
  return planes[0].element;
}

BlockRef copyBlock(const BlockRef &block, BlockPool &pool, size_t sizeBytes) {
  BlockRef copy = pool.acquire();
  std::memcpy(copy.bytes(), block.bytes(), sizeBytes);
  return copy;
}

/// Blocks for the rows that are held, with what was in the others' if the forms are equal.
BlockTable blocksLike(const BlockTable &table, BlockPool &pool, bool isCopy) {
  BlockTable blocks;
  for (size_t i = 0; i < table.size(); ++i)
    blocks.push(!table[i] ? BlockRef() : isCopy ? copyBlock(table[i], pool, pool.blockBytes()) : pool.acquire());
  return blocks;
}

void convertRows(const State &from, State &to, size_t slot) {
  const SlotDescription &description = from.slots()[slot];
  std::vector<float> rows(KV_BLOCK_TOKENS * rowElements(description));
  for (uint64_t layer = 0; layer < description.layers; ++layer)
    for (uint64_t first = from.firstHeldRow(slot); first < from.length(); first += KV_BLOCK_TOKENS) {
      const uint64_t count = std::min<uint64_t>(KV_BLOCK_TOKENS, from.length() - first);
      readRows(from, slot, layer, first, count, rows.data());
      writeRows(to, slot, layer, first, count, rows.data());
    }
}

BlockRef convertRegister(const BlockRef &value, const SlotDescription &from, const SlotDescription &to,
                         BlockPool &pool) {
  if (from.layout == to.layout)
    return copyBlock(value, pool, pool.blockBytes());
  BlockRef converted = pool.acquire();
  std::vector<float> values(registerElements(from));
  for (uint64_t layer = 0; layer < from.layers; ++layer) {
    loadRegister(from, value.bytes(), layer, values.data());
    storeRegister(to, converted.bytes(), layer, values.data());
  }
  return converted;
}

/// The values of all registers, `find` says which blocks they are in.
template <typename Find> std::vector<BlockRef> convertRegisters(const Slots &from, const Slots &to, const Find &find) {
  std::vector<BlockRef> values(from.size());
  for (size_t slot = 0; slot < from.size(); ++slot)
    if (from.isRegister(slot))
      values[slot] = convertRegister(find(slot), from[slot], to[slot], to.pool(slot));
  return values;
}

Contents blankContents(const State &state, const Slots &slots) {
  Contents contents;
  const auto registers = convertRegisters(state.slots(), slots, [&](size_t slot) { return state.table(slot)[0]; });
  for (size_t table = 0; table < slots.numTables(); ++table)
    if (slots.isRegister(table)) {
      contents.tables.emplace_back().push(registers[table]);
    } else {
      const bool isCopy = table == slots.idTable() || state.slots()[table].layout == slots[table].layout;
      contents.tables.push_back(blocksLike(state.table(table), slots.pool(table), isCopy));
    }
  for (const Checkpoint &checkpoint : state.contents().checkpoints)
    contents.checkpoints.push_back(
        {checkpoint.length, checkpoint.isAutomatic,
         convertRegisters(state.slots(), slots, [&](size_t slot) { return checkpoint.values[slot]; })});
  return contents;
}

} // namespace

bool holdsExactly(const SlotDescription &to, const SlotDescription &from) {
  const std::optional<ElementType> element = plainElement(to);
  return to.layout == from.layout || element == ElementType::f32 || (element && element == plainElement(from));
}

Contents convertContents(const State &state, const std::shared_ptr<const Slots> &slots) {
  State moved(slots, {state.length(), 0});
  moved.adopt(state.length(), blankContents(state, *slots));
  for (size_t slot = 0; slot < slots->size(); ++slot)
    if (!slots->isRegister(slot) && !(state.slots()[slot].layout == (*slots)[slot].layout))
      convertRows(state, moved, slot);
  return moved.contents();
}

} // namespace kvasir::runtime
