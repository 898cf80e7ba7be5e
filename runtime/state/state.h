// SPDX-License-Identifier: MIT
// What a conversation holds: rows in blocks, a length, and who is working on it.
#ifndef KVASIR_RUNTIME_STATE_STATE_H
#define KVASIR_RUNTIME_STATE_STATE_H

#include "plugins/description.h"
#include "runtime/state/block_pool.h"
#include "runtime/state/error.h"

#include <atomic>
#include <memory>
#include <vector>

namespace kvasir::runtime {

/// The slots of one model and the memory that its states share. Outlives them.
class Slots {
public:
  explicit Slots(std::vector<SlotDescription> descriptions);

  size_t size() const { return descriptions.size(); }
  const SlotDescription &operator[](size_t slot) const { return descriptions[slot]; }
  BlockPool &pool(size_t slot) const { return *pools[slot]; }

  /// Index of the slot of this name. Throws bad input that lists the names there are.
  size_t find(const std::string &name) const;

private:
  std::vector<SlotDescription> descriptions;
  std::vector<std::unique_ptr<BlockPool>> pools;
};

/// Blocks of one slot in one state. A cache: block i holds rows [128 i, 128 i + 128). A register: one block, its value,
/// which is never written in place.
class BlockTable {
public:
  void push(BlockRef block);
  void replace(size_t index, BlockRef block);
  /// Keeps the first `count` blocks.
  void shrink(size_t count);

  size_t size() const { return blocks.size(); }
  const BlockRef &operator[](size_t index) const { return blocks[index]; }
  uint8_t *const *pointers() const { return bytes.data(); }

private:
  std::vector<BlockRef> blocks;
  std::vector<uint8_t *> bytes; ///< of the blocks, as plugins take them
};

/// One conversation. Everything but `length` needs a StateLock or a Transaction.
class State {
public:
  /// An empty one that takes at most `capacity` tokens.
  State(std::shared_ptr<const Slots> slots, uint64_t capacity);

  uint64_t length() const { return numTokens.load(std::memory_order_acquire); }
  uint64_t capacity() const { return maxTokens; }
  const Slots &slots() const { return *allSlots; }
  const BlockTable &table(size_t slot) const { return tables[slot]; }

  /// Back to no tokens. Registers become zero.
  void reset();

private:
  friend class StateLock;
  friend class Transaction;

  const std::shared_ptr<const Slots> allSlots;
  const uint64_t maxTokens;
  std::atomic<uint64_t> numTokens{0};
  std::vector<BlockTable> tables; ///< declared after the slots, so that blocks go back to living pools
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
