// SPDX-License-Identifier: MIT
#include "runtime/state/block_pool.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace kvasir::runtime {
namespace {

constexpr size_t kAlignment = 64;
// Small blocks come several at once; large ones each from the system, so that memory grows with the conversation.
constexpr size_t kSlabBytes = 256 << 10;

size_t slabBytes(size_t stepBytes) { return std::max<size_t>(1, kSlabBytes / stepBytes) * stepBytes; }

} // namespace

BlockPool::BlockPool(size_t blockBytes)
    : sizeBytes(blockBytes), stepBytes(std::max(kAlignment, (blockBytes + kAlignment - 1) / kAlignment * kAlignment)) {}

BlockPool::~BlockPool() {
  for (void *slab : slabs)
    munmap(slab, slabBytes(stepBytes));
}

uint64_t BlockPool::bytesFor(uint64_t numBlocks) const {
  const uint64_t inSlab = slabBytes(stepBytes) / stepBytes;
  return (numBlocks + inSlab - 1) / inSlab * slabBytes(stepBytes);
}

BlockRef BlockPool::acquire() {
  const std::lock_guard lock(mutex);
  if (free.empty())
    grow();
  Block *block = free.back();
  free.pop_back();
  return BlockRef(block);
}

size_t BlockPool::numBlocks() const {
  const std::lock_guard lock(mutex);
  return blocks.size();
}

size_t BlockPool::numFree() const {
  const std::lock_guard lock(mutex);
  return free.size();
}

void BlockPool::recycle(Block *block) {
  const std::lock_guard lock(mutex);
  free.push_back(block);
}

void BlockPool::grow() {
  const size_t numNew = slabBytes(stepBytes) / stepBytes;
  // All that can throw comes before the slab is ours.
  slabs.reserve(slabs.size() + 1);
  free.reserve(blocks.size() + numNew);
  blocks.reserve(blocks.size() + numNew);
  std::vector<std::unique_ptr<Block>> fresh(numNew);
  for (auto &block : fresh)
    block = std::make_unique<Block>();
  void *slab = mmap(nullptr, slabBytes(stepBytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (slab == MAP_FAILED)
    throw std::bad_alloc();
  slabs.push_back(slab);
  for (size_t i = 0; i < numNew; ++i) {
    fresh[i]->bytes = static_cast<uint8_t *>(slab) + i * stepBytes;
    fresh[i]->pool = this;
    free.push_back(fresh[i].get());
    blocks.push_back(std::move(fresh[i]));
  }
}

} // namespace kvasir::runtime
