// SPDX-License-Identifier: MIT
// What a conversation holds: rows in blocks, a length, and who is working on it.
#ifndef KVASIR_RUNTIME_STATE_STATE_H
#define KVASIR_RUNTIME_STATE_STATE_H

#include "runtime/state/block_table.h"
#include "runtime/state/error.h"
#include "runtime/state/slots.h"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace kvasir::runtime {

/// What registers held when the state had `length` tokens, at the latest time that it had so many.
struct Checkpoint {
  uint64_t length = 0;
  bool isAutomatic = false;
  std::vector<BlockRef> values; ///< [slots]; null for caches
};

/// All that a state holds but its length. Copies share blocks, so that a copy costs O(blocks).
struct Contents {
  std::vector<BlockTable> tables;      ///< as Slots numbers them
  std::vector<Checkpoint> checkpoints; ///< by length, ascending, each > 0; empty for a model without registers
};

/// Of what no tokens leave behind.
Contents emptyContents(const Slots &slots);

/// How many automatic checkpoints a state keeps unless it is asked for another number.
inline constexpr uint32_t kAutomaticCheckpoints = 4;

struct StateOptions {
  uint64_t capacity = 0;
  uint32_t numCheckpoints = kAutomaticCheckpoints;
};

/// One conversation. Everything but `length` and `capacity` needs a StateLock or a Transaction.
class State {
public:
  /// An empty one.
  State(std::shared_ptr<const Slots> slots, const StateOptions &options);

  uint64_t length() const { return numTokens.load(std::memory_order_acquire); }
  uint64_t capacity() const { return options.capacity; }
  const Slots &slots() const { return *allSlots; }
  const BlockTable &table(size_t table) const { return held.tables[table]; }
  const Contents &contents() const { return held; }

  /// The first row of a cache that is held: 0 but behind a window. `length` if none is.
  uint64_t firstHeldRow(size_t slot) const;

  /// Copies the ids of tokens [first, first + count), -1 for those that a function without ids appended. Throws bad
  /// input if they are not all there.
  void readIds(uint64_t first, uint64_t count, int32_t *ids) const;

  /// Back to no tokens. Registers become zero, checkpoints go. Cannot fail.
  void reset();

  /// Another state of the same contents, which shares their blocks: whoever changes a shared block copies it first.
  /// Cost: O(blocks); 16 bytes of memory for each 128 tokens of a slot.
  std::unique_ptr<State> fork() const;

  /// Keeps what registers hold now, so that `truncate` can come back to this length. Nothing without registers.
  /// Cost: no copy; holds a block of each register until it is dropped by truncate or reset.
  void checkpoint();

  /// Forgets the tokens from number `length` on. Throws bad input beyond the length, and `unsupported`, with the
  /// nearest legal lengths, if what the next token would need is not held: rows that left a window, or what registers
  /// held at that length. Cost: O(blocks that go); allocates nothing.
  void truncate(uint64_t length);

  /// The longest length <= `most` that truncate can go to. 0 always is one, and so is the present length.
  uint64_t longestLegalLength(uint64_t most) const;

  /// Takes contents of `length` tokens in place of what is held; they must fit the slots and the capacity.
  void adopt(uint64_t length, Contents contents) noexcept;

private:
  friend class StateLock;
  friend class Transaction;
  friend void writeRows(State &, size_t, uint64_t, uint64_t, uint64_t, const float *);

  uint64_t shortestLegalLength(uint64_t least) const;
  uint64_t shortestInWindows() const;

  /// All that can throw of a checkpoint: memory for it, also in the list.
  Checkpoint emptyCheckpoint();
  void fill(Checkpoint &made) const noexcept;
  void keep(Checkpoint made) noexcept;

  const std::shared_ptr<const Slots> allSlots;
  const StateOptions options;
  std::atomic<uint64_t> numTokens{0};
  Contents held; ///< declared after the slots, so that blocks go back to living pools
  std::atomic<bool> isBusy{false};
};

/// Sole use of a state while it lives. Throws `busy` at once if another has it; never waits.
class StateLock {
public:
  explicit StateLock(State &state);
  StateLock(StateLock &&other) noexcept : state(std::exchange(other.state, nullptr)) {}
  StateLock &operator=(StateLock &&) = delete;
  ~StateLock();

private:
  State *state;
};

} // namespace kvasir::runtime

#endif
