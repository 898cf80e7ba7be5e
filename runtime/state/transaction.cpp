// SPDX-License-Identifier: MIT
#include "runtime/state/transaction.h"

#include <cstring>

namespace kvasir::runtime {
namespace {

uint64_t blocksFor(uint64_t numTokens) { return (numTokens + KV_BLOCK_TOKENS - 1) / KV_BLOCK_TOKENS; }

} // namespace

Transaction::Transaction(State &changed) : lock(changed), state(&changed), numHeld(changed.length()) {
  for (const BlockTable &table : changed.tables)
    before.push_back({table.size(), {}, {}});
}

Transaction::~Transaction() {
  if (!before.empty())
    rollBack();
}

void Transaction::requireRoom(uint64_t count) const {
  if (count > state->capacity() - numHeld)
    throw Error(KV_CAPACITY, "the state holds " + std::to_string(numHeld) + " of at most " +
                                 std::to_string(state->capacity()) + " tokens; " + std::to_string(count) +
                                 " more don't fit");
}

void Transaction::prepareRows(uint64_t count) {
  for (size_t slot = 0; slot < before.size(); ++slot) {
    BlockTable &table = state->tables[slot];
    BlockPool &pool = state->slots().pool(slot);
    if (state->slots()[slot].kind == SlotKind::reg) {
      if (!before[slot].nextValue || before[slot].nextValue.isShared())
        before[slot].nextValue = pool.acquire();
      continue;
    }
    own(slot);
    while (table.size() < blocksFor(numHeld + count))
      table.push(pool.acquire());
  }
}

/// Gives a cache a last block of its own if rows will be added to one that others hold too.
void Transaction::own(size_t slot) {
  BlockTable &table = state->tables[slot];
  const size_t last = numHeld / KV_BLOCK_TOKENS;
  if (numHeld % KV_BLOCK_TOKENS == 0 || !table[last].isShared())
    return;
  BlockPool &pool = state->slots().pool(slot);
  BlockRef copy = pool.acquire();
  std::memcpy(copy.bytes(), table[last].bytes(), pool.blockBytes());
  // Only the committed last block can be shared: later ones were made here.
  before[slot].lastBlock = table[last];
  table.replace(last, std::move(copy));
}

kv_view Transaction::view(size_t slot) const {
  const BlockTable &table = state->tables[slot];
  if (state->slots()[slot].kind == SlotKind::reg)
    return {nullptr, 0, table[0].bytes(), before[slot].nextValue.bytes()};
  return {table.pointers(), table.size(), nullptr, nullptr};
}

void Transaction::advance(uint64_t count, const std::vector<bool> &wasSet) {
  numHeld += count;
  for (size_t slot = 0; slot < before.size(); ++slot) {
    if (state->slots()[slot].kind != SlotKind::reg || !wasSet[slot])
      continue;
    BlockRef old = state->tables[slot][0];
    state->tables[slot].replace(0, std::move(before[slot].nextValue));
    // The second to last value is of no use to anybody but its other holders; the committed one is kept to go back to.
    if (!before[slot].lastBlock)
      before[slot].lastBlock = std::move(old);
    else
      before[slot].nextValue = std::move(old);
  }
}

void Transaction::commit() {
  for (size_t slot = 0; slot < before.size(); ++slot)
    if (state->slots()[slot].kind == SlotKind::cache)
      state->tables[slot].shrink(blocksFor(numHeld));
  state->numTokens.store(numHeld, std::memory_order_release);
  before.clear();
}

void Transaction::rollBack() {
  for (size_t slot = 0; slot < before.size(); ++slot) {
    BlockTable &table = state->tables[slot];
    table.shrink(before[slot].numBlocks);
    if (before[slot].lastBlock)
      table.replace(before[slot].numBlocks - 1, std::move(before[slot].lastBlock));
  }
}

} // namespace kvasir::runtime
