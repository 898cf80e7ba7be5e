// SPDX-License-Identifier: MIT
// The way back: checkpoints, and which lengths a state can be cut to.
#include "runtime/state/state.h"

#include <algorithm>

namespace kvasir::runtime {
namespace {

/// Why a state can't be cut to `wanted` tokens, and where it can be cut to.
std::string refusal(uint64_t wanted, uint64_t windows, uint64_t below, uint64_t above) {
  const std::string missing = wanted < windows ? "rows that the next token would need have left a slot's window"
                                               : "what registers held then was not kept by a checkpoint";
  return "the state can't be cut to " + std::to_string(wanted) + " tokens: " + missing +
         "; the nearest lengths that it can be cut to are " + std::to_string(below) + " and " + std::to_string(above);
}

} // namespace

void State::checkpoint() {
  if (!allSlots->hasRegisters() || length() == 0)
    return;
  Checkpoint made = emptyCheckpoint();
  fill(made);
  keep(std::move(made));
}

Checkpoint State::emptyCheckpoint() {
  Checkpoint made;
  made.values.resize(allSlots->size());
  held.checkpoints.reserve(held.checkpoints.size() + 1);
  return made;
}

void State::fill(Checkpoint &made) const noexcept {
  made.length = length();
  for (size_t slot = 0; slot < allSlots->size(); ++slot)
    if (allSlots->isRegister(slot))
      made.values[slot] = held.tables[slot][0];
}

void State::keep(Checkpoint made) noexcept {
  auto &checkpoints = held.checkpoints;
  if (!checkpoints.empty() && checkpoints.back().length == made.length) {
    made.isAutomatic &= checkpoints.back().isAutomatic;
    checkpoints.back() = std::move(made);
  } else {
    checkpoints.push_back(std::move(made));
  }
  if (std::ranges::count_if(checkpoints, &Checkpoint::isAutomatic) > int64_t{options.numCheckpoints})
    checkpoints.erase(std::ranges::find_if(checkpoints, &Checkpoint::isAutomatic));
}

/// The least length of which the next token's rows are held, for each slot with a window that has moved on.
uint64_t State::shortestInWindows() const {
  uint64_t shortest = 0;
  for (size_t slot = 0; slot < allSlots->size(); ++slot)
    if (const uint64_t first = firstHeldRow(slot))
      shortest = std::max(shortest, first + (*allSlots)[slot].windowTokens - 1);
  return shortest;
}

uint64_t State::longestLegalLength(uint64_t most) const {
  if (most >= length())
    return length();
  const uint64_t least = shortestInWindows();
  if (!allSlots->hasRegisters())
    return most < least ? 0 : most;
  for (size_t i = held.checkpoints.size(); i-- > 0;)
    if (const uint64_t kept = held.checkpoints[i].length; kept <= most)
      return kept < least ? 0 : kept;
  return 0;
}

uint64_t State::shortestLegalLength(uint64_t least) const {
  least = std::max(least, shortestInWindows());
  if (!allSlots->hasRegisters())
    return std::min(least, length());
  for (const Checkpoint &checkpoint : held.checkpoints)
    if (checkpoint.length >= least)
      return checkpoint.length;
  return length();
}

void State::truncate(uint64_t wanted) {
  if (wanted > length())
    throw Error(KV_BAD_INPUT, "the state holds " + std::to_string(length()) + " tokens and can't be cut to " +
                                  std::to_string(wanted));
  if (const uint64_t below = longestLegalLength(wanted); below != wanted)
    throw Error(KV_UNSUPPORTED, refusal(wanted, shortestInWindows(), below, shortestLegalLength(wanted)));
  if (wanted == length())
    return;
  if (wanted == 0)
    return reset();
  auto &checkpoints = held.checkpoints;
  while (!checkpoints.empty() && checkpoints.back().length > wanted)
    checkpoints.pop_back();
  numTokens.store(wanted, std::memory_order_release);
  for (size_t table = 0; table < held.tables.size(); ++table)
    if (allSlots->isRegister(table))
      held.tables[table].replace(0, checkpoints.back().values[table]);
    else
      held.tables[table].shrink(blocksFor(wanted));
}

} // namespace kvasir::runtime
