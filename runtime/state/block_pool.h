// SPDX-License-Identifier: MIT
// Where the rows of conversations live: blocks of equal size, counted by their users, recycled.
#ifndef KVASIR_RUNTIME_STATE_BLOCK_POOL_H
#define KVASIR_RUNTIME_STATE_BLOCK_POOL_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace kvasir::runtime {

class BlockPool;

/// The memory of 128 tokens of one slot (all layers), or of one value of a register.
struct Block {
  uint8_t *bytes;
  BlockPool *pool;
  std::atomic<uint32_t> users{0};
};

/// A share in a block. The block goes back to its pool with its last share; the pool must live until then.
class BlockRef {
public:
  BlockRef() = default;
  BlockRef(const BlockRef &other) : block(other.block) { take(); }
  BlockRef(BlockRef &&other) noexcept : block(std::exchange(other.block, nullptr)) {}
  BlockRef &operator=(BlockRef other) noexcept {
    std::swap(block, other.block);
    return *this;
  }
  ~BlockRef() { drop(); }

  explicit operator bool() const { return block; }
  uint8_t *bytes() const { return block->bytes; }

  /// Does somebody else have a share? Such a block must not be written.
  bool isShared() const { return block->users.load(std::memory_order_acquire) > 1; }

private:
  friend class BlockPool;
  explicit BlockRef(Block *block) : block(block) { take(); }
  void take() const {
    if (block)
      block->users.fetch_add(1, std::memory_order_relaxed);
  }
  void drop();

  Block *block = nullptr;
};

/// Blocks of one size. Memory is zero when it comes from the system and keeps what was in it when it is recycled:
/// nothing may depend on rows that were not written. Safe to use from several threads.
class BlockPool {
public:
  /// Blocks begin on 64-byte borders.
  explicit BlockPool(size_t blockBytes);
  BlockPool(const BlockPool &) = delete;
  ~BlockPool();

  /// Throws std::bad_alloc. Cost: a lock; now and then an mmap.
  BlockRef acquire();

  size_t blockBytes() const { return sizeBytes; }

  /// Bytes that the pool takes from the system for so many blocks at once: small ones come several at a time, large
  /// ones in huge pages.
  uint64_t bytesFor(uint64_t numBlocks) const;

  /// Blocks that came from the system, and those of them that nobody holds.
  size_t numBlocks() const;
  size_t numFree() const;

private:
  friend class BlockRef;
  void recycle(Block *block);
  void grow();

  const size_t sizeBytes;
  const size_t stepBytes; ///< from one block to the next
  mutable std::mutex mutex;
  std::vector<uint8_t *> slabs;
  size_t usedBytes = 0; ///< of the last slab
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<Block *> free; ///< capacity for all blocks, so that recycling never allocates
};

inline void BlockRef::drop() {
  if (block && block->users.fetch_sub(1, std::memory_order_acq_rel) == 1)
    block->pool->recycle(block);
}

} // namespace kvasir::runtime

#endif
