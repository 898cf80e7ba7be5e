// SPDX-License-Identifier: MIT
// A change of a state that happens whole or not at all.
#ifndef KVASIR_RUNTIME_STATE_TRANSACTION_H
#define KVASIR_RUNTIME_STATE_TRANSACTION_H

#include "runtime/state/state.h"

#include "kvasir/plugin.h"

#include <vector>

namespace kvasir::runtime {

/// Adds tokens to one state, by one or several executes. New rows go beyond the committed length, into blocks that
/// nobody else holds; registers are written to a second block. Until `commit` the state reads as before, and without
/// it everything is put back. Holds the state's lock. Between prepareRows and advance the new rows and the registers'
/// next values are scratch: they may be filled, and an execute repeated.
class Transaction {
public:
  /// Throws `busy`.
  explicit Transaction(State &state);
  Transaction(Transaction &&) = default;
  Transaction &operator=(Transaction &&) = delete;
  ~Transaction();

  /// Moves the border between rows of caches and of registers (splitAt), before anything else is done. Throws
  /// std::bad_alloc.
  void startAt(uint64_t length);

  /// Tokens that the next execute starts after: the committed ones and those of earlier executes.
  uint64_t held() const { return numHeld; }

  /// Throws `capacity`, with the numbers, if `count` more tokens than are held don't fit.
  void requireRoom(uint64_t count) const;

  /// Makes room for rows [held, held + count) of each cache and for a new value of each register. A shared last block
  /// is copied first. Throws std::bad_alloc. Cost: at most one block's copy a slot.
  void prepareRows(uint64_t count);

  /// The slot as the next execute sees it; valid until the transaction changes. After prepareRows.
  kv_view view(size_t slot) const;

  /// The execute has written its `count` rows, for these tokens (null if nobody knows their ids); `wasSet[slot]` says
  /// which registers have a new value. Rows made here that no later token needs are let go.
  void advance(uint64_t count, const int32_t *ids, const std::vector<bool> &wasSet);

  /// Makes everything that was advanced visible, keeps a checkpoint of the registers, and lets rows go that no window
  /// reaches any more. Cannot fail.
  void commit();

private:
  /// What a table was before, and where its next value goes.
  struct Before {
    size_t numBlocks;   ///< of the committed table
    BlockRef lastBlock; ///< of rows: the shared block that a copy stands in for; of a register: the old value
    BlockRef nextValue; ///< of a register
  };

  BlockTable &table(size_t index) { return state->held.tables[index]; }
  void noteTables();
  void own(size_t index);
  void writeIds(uint64_t count, const int32_t *ids);
  void setRegister(size_t slot);
  void letGo(size_t index, size_t firstBlock);
  void rollBack();

  StateLock lock;
  State *state;
  uint64_t numHeld;
  std::vector<Before> before;       ///< [tables]; empty once committed
  std::optional<Contents> original; ///< what the state held before its border was moved
  Checkpoint made;                  ///< memory for the registers' checkpoint
};

} // namespace kvasir::runtime

#endif
