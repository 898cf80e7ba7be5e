// SPDX-License-Identifier: MIT
// The blocks of one slot in one state.
#ifndef KVASIR_RUNTIME_STATE_BLOCK_TABLE_H
#define KVASIR_RUNTIME_STATE_BLOCK_TABLE_H

#include "runtime/state/block_pool.h"

#include "kvasir/plugin.h"

#include <vector>

namespace kvasir::runtime {

/// Blocks that hold rows [0, numTokens).
constexpr uint64_t blocksFor(uint64_t numTokens) { return (numTokens + KV_BLOCK_TOKENS - 1) / KV_BLOCK_TOKENS; }

/// Rows, and token ids: block i holds those of tokens [128 i, 128 i + 128); blocks in front of a window may have been
/// let go and are null. A register: one block, its value, which is never written in place. Copies share the blocks.
class BlockTable {
public:
  void push(BlockRef block); ///< null for one that was let go
  void replace(size_t index, BlockRef block);
  /// Keeps the first `count` blocks.
  void shrink(size_t count);
  /// Lets blocks [first, last) go.
  void release(size_t first, size_t last);

  size_t size() const { return blocks.size(); }
  const BlockRef &operator[](size_t index) const { return blocks[index]; }
  uint8_t *const *pointers() const { return bytes.data(); }

  /// The first block that is held; size() if none is.
  size_t firstHeld() const;

private:
  std::vector<BlockRef> blocks;
  std::vector<uint8_t *> bytes; ///< of the blocks, as plugins take them
};

} // namespace kvasir::runtime

#endif
