// SPDX-License-Identifier: MIT
#include "runtime/state/transaction.h"

#include "runtime/state/split.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime {

Transaction::Transaction(State &changed) : lock(changed), state(&changed), numHeld(changed.length()) {
  noteTables();
  if (changed.slots().hasRegisters())
    made = changed.emptyCheckpoint();
}

void Transaction::noteTables() {
  before.clear();
  for (const BlockTable &table : state->held.tables)
    before.push_back({table.size(), {}, {}});
}

void Transaction::startAt(uint64_t length) {
  if (length == numHeld)
    return;
  Contents moved = splitAt(*state, length);
  moved.checkpoints.reserve(moved.checkpoints.size() + 1);
  original.emplace(std::exchange(state->held, std::move(moved)));
  numHeld = length;
  noteTables(); // as many as before: allocates nothing
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
  for (size_t index = 0; index < before.size(); ++index) {
    BlockPool &pool = state->slots().pool(index);
    if (state->slots().isRegister(index)) {
      if (!before[index].nextValue || before[index].nextValue.isShared())
        before[index].nextValue = pool.acquire();
      continue;
    }
    own(index);
    while (table(index).size() < blocksFor(numHeld + count))
      table(index).push(pool.acquire());
  }
}

/// Gives a table a last block of its own if rows will be added to one that others hold too.
void Transaction::own(size_t index) {
  const size_t last = numHeld / KV_BLOCK_TOKENS;
  if (numHeld % KV_BLOCK_TOKENS == 0 || !table(index)[last].isShared())
    return;
  BlockPool &pool = state->slots().pool(index);
  BlockRef copy = pool.acquire();
  std::memcpy(copy.bytes(), table(index)[last].bytes(), pool.blockBytes());
  // Only the committed last block can be shared: later ones were made here.
  before[index].lastBlock = table(index)[last];
  table(index).replace(last, std::move(copy));
}

kv_view Transaction::view(size_t slot) const {
  const BlockTable &table = state->table(slot);
  if (state->slots().isRegister(slot))
    return {nullptr, 0, table[0].bytes(), before[slot].nextValue.bytes()};
  return {table.pointers(), table.size(), nullptr, nullptr};
}

void Transaction::advance(uint64_t count, const int32_t *ids, const std::vector<bool> &wasSet) {
  writeIds(count, ids);
  numHeld += count;
  for (size_t slot = 0; slot < state->slots().size(); ++slot)
    if (!state->slots().isRegister(slot))
      letGo(slot, before[slot].numBlocks); // a failed call must find the blocks before these
    else if (wasSet[slot])
      setRegister(slot);
}

void Transaction::writeIds(uint64_t count, const int32_t *ids) {
  constexpr int32_t kUnknown = -1;
  const BlockTable &written = table(state->slots().idTable());
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t token = numHeld + i;
    std::memcpy(written[token / KV_BLOCK_TOKENS].bytes() + token % KV_BLOCK_TOKENS * sizeof *ids,
                ids ? ids + i : &kUnknown, sizeof *ids);
  }
}

void Transaction::setRegister(size_t slot) {
  BlockRef old = table(slot)[0];
  table(slot).replace(0, std::move(before[slot].nextValue));
  // The second to last value is of no use to anybody but its other holders; the committed one is kept to go back to.
  if (!before[slot].lastBlock)
    before[slot].lastBlock = std::move(old);
  else
    before[slot].nextValue = std::move(old);
}

/// Releases blocks from `firstBlock` on that lie wholly before what the next token needs.
void Transaction::letGo(size_t index, size_t firstBlock) {
  const size_t last = state->slots().firstNeededRow(index, numHeld) / KV_BLOCK_TOKENS;
  table(index).release(firstBlock, std::min(last, table(index).size()));
}

void Transaction::commit() {
  state->numTokens.store(numHeld, std::memory_order_release);
  for (size_t index = 0; index < before.size(); ++index)
    if (!state->slots().isRegister(index)) {
      table(index).shrink(blocksFor(numHeld));
      letGo(index, 0);
    }
  if (!made.values.empty() && numHeld > 0) {
    made.isAutomatic = true;
    state->fill(made);
    state->keep(std::move(made));
  }
  original.reset();
  before.clear();
}

void Transaction::rollBack() {
  if (original) {
    state->held = std::move(*original);
    return;
  }
  for (size_t index = 0; index < before.size(); ++index) {
    table(index).shrink(before[index].numBlocks);
    if (before[index].lastBlock)
      table(index).replace(before[index].numBlocks - 1, std::move(before[index].lastBlock));
  }
}

} // namespace kvasir::runtime
