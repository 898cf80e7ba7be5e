// SPDX-License-Identifier: MIT
#include "runtime/state/state.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime {

Contents emptyContents(const Slots &slots) {
  Contents contents;
  contents.tables.resize(slots.numTables());
  for (size_t slot = 0; slot < slots.size(); ++slot)
    if (slots.isRegister(slot))
      contents.tables[slot].push(slots.zero(slot));
  return contents;
}

State::State(std::shared_ptr<const Slots> slots, const StateOptions &given)
    : allSlots(std::move(slots)), options(given), held(emptyContents(*allSlots)) {}

uint64_t State::firstHeldRow(size_t slot) const {
  return std::min<uint64_t>(held.tables[slot].firstHeld() * KV_BLOCK_TOKENS, length());
}

void State::readIds(uint64_t first, uint64_t count, int32_t *ids) const {
  if (first > length() || count > length() - first)
    throw Error(KV_BAD_INPUT, "the state holds " + std::to_string(length()) + " tokens; " + std::to_string(count) +
                                  " from token " + std::to_string(first) + " on are not all there");
  const BlockTable &table = held.tables[allSlots->idTable()];
  for (uint64_t token = first; token < first + count; ++token)
    std::memcpy(ids++, table[token / KV_BLOCK_TOKENS].bytes() + token % KV_BLOCK_TOKENS * sizeof *ids, sizeof *ids);
}

void State::reset() {
  numTokens.store(0, std::memory_order_release);
  for (size_t table = 0; table < held.tables.size(); ++table)
    if (allSlots->isRegister(table))
      held.tables[table].replace(0, allSlots->zero(table));
    else
      held.tables[table].shrink(0);
  held.checkpoints.clear();
}

std::unique_ptr<State> State::fork() const {
  auto branch = std::make_unique<State>(allSlots, options);
  branch->adopt(length(), held);
  return branch;
}

void State::adopt(uint64_t length, Contents contents) noexcept {
  held = std::move(contents);
  numTokens.store(length, std::memory_order_release);
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
