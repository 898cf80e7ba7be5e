// SPDX-License-Identifier: MIT
#include "runtime/state/state.h"

#include <cstring>

namespace kvasir::runtime {

Slots::Slots(std::vector<SlotDescription> all) : descriptions(std::move(all)) {
  for (const SlotDescription &slot : descriptions)
    pools.push_back(std::make_unique<BlockPool>(slot.layout.sizeBytes));
}

size_t Slots::find(const std::string &name) const {
  std::string names;
  for (size_t slot = 0; slot < descriptions.size(); ++slot) {
    if (descriptions[slot].name == name)
      return slot;
    names += (slot ? ", " : "") + descriptions[slot].name;
  }
  throw Error(KV_BAD_INPUT, "no slot is called '" + name + "'; there are " + (names.empty() ? "none" : names));
}

void BlockTable::push(BlockRef block) {
  if (bytes.size() == bytes.capacity())
    bytes.reserve(2 * bytes.size() + 8); // before the block moves in, so that a failure leaves both as they were
  blocks.push_back(std::move(block));
  bytes.push_back(blocks.back().bytes());
}

void BlockTable::replace(size_t index, BlockRef block) {
  blocks[index] = std::move(block);
  bytes[index] = blocks[index].bytes();
}

void BlockTable::shrink(size_t count) {
  blocks.resize(count);
  bytes.resize(count);
}

State::State(std::shared_ptr<const Slots> slots, uint64_t capacity)
    : allSlots(std::move(slots)), maxTokens(capacity), tables(allSlots->size()) {
  reset();
}

void State::reset() {
  // Registers first: only they can fail, and then nothing has changed.
  for (size_t slot = 0; slot < tables.size(); ++slot) {
    if ((*allSlots)[slot].kind != SlotKind::reg)
      continue;
    BlockRef zero = allSlots->pool(slot).acquire();
    std::memset(zero.bytes(), 0, allSlots->pool(slot).blockBytes());
    if (tables[slot].size() == 0)
      tables[slot].push(std::move(zero));
    else
      tables[slot].replace(0, std::move(zero));
  }
  numTokens.store(0, std::memory_order_release);
  for (size_t slot = 0; slot < tables.size(); ++slot)
    if ((*allSlots)[slot].kind == SlotKind::cache)
      tables[slot].shrink(0);
}

StateLock::StateLock(State &locked) : state(&locked) {
  if (locked.isBusy.exchange(true, std::memory_order_acquire))
    throw Error(KV_BUSY, "another call is running on this state");
}

StateLock::~StateLock() {
  if (state)
    state->isBusy.store(false, std::memory_order_release);
}

} // namespace kvasir::runtime
