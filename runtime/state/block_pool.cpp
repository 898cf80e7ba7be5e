// SPDX-License-Identifier: MIT
#include "runtime/state/block_pool.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace kvasir::runtime {
namespace {

constexpr size_t kAlignment = 64;
// Small blocks come several at once; large ones one by one, so that memory grows with the conversation.
constexpr size_t kGrowthBytes = 256 << 10;
// Large blocks lie one behind the other in huge pages: of 4 KiB each, attention reads them slower by a quarter. Such a
// slab is addresses only, until its blocks are written.
constexpr size_t kHugePageBytes = 2 << 20, kLargeSlabBytes = 32 << 20;

size_t roundUp(size_t size, size_t multiple) { return (size + multiple - 1) / multiple * multiple; }

size_t growthBlocks(size_t stepBytes) { return std::max<size_t>(1, kGrowthBytes / stepBytes); }

bool areLarge(size_t stepBytes) { return stepBytes >= kGrowthBytes; }

size_t slabBytes(size_t stepBytes) {
  return areLarge(stepBytes) ? roundUp(std::max(kLargeSlabBytes, stepBytes), kHugePageBytes)
                             : growthBlocks(stepBytes) * stepBytes;
}

/// Null if there are none.
uint8_t *mapPages(size_t sizeBytes) {
  void *pages = mmap(nullptr, sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : static_cast<uint8_t *>(pages);
}

/// Likewise, for a multiple of huge pages; they are huge where the system has some to give.
uint8_t *mapHugePages(size_t sizeBytes) {
  uint8_t *pages = mapPages(sizeBytes + kHugePageBytes);
  if (!pages)
    return nullptr;
  const size_t before = -reinterpret_cast<uintptr_t>(pages) % kHugePageBytes;
  if (before > 0)
    munmap(pages, before);
  munmap(pages + before + sizeBytes, kHugePageBytes - before);
  madvise(pages + before, sizeBytes, MADV_HUGEPAGE);
  return pages + before;
}

} // namespace

BlockPool::BlockPool(size_t blockBytes)
    : sizeBytes(blockBytes), stepBytes(std::max(kAlignment, (blockBytes + kAlignment - 1) / kAlignment * kAlignment)) {}

BlockPool::~BlockPool() {
  for (uint8_t *slab : slabs)
    munmap(slab, slabBytes(stepBytes));
}

uint64_t BlockPool::bytesFor(uint64_t numBlocks) const {
  const uint64_t inSlab = slabBytes(stepBytes) / stepBytes;
  if (!areLarge(stepBytes))
    return roundUp(numBlocks, inSlab) * stepBytes;
  return numBlocks / inSlab * roundUp(inSlab * stepBytes, kHugePageBytes) +
         roundUp(numBlocks % inSlab * stepBytes, kHugePageBytes);
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
  const size_t numNew = growthBlocks(stepBytes);
  // All that can throw comes before anything is ours.
  slabs.reserve(slabs.size() + 1);
  free.reserve(blocks.size() + numNew);
  blocks.reserve(blocks.size() + numNew);
  std::vector<std::unique_ptr<Block>> fresh(numNew);
  for (auto &block : fresh)
    block = std::make_unique<Block>();
  if (slabs.empty() || slabBytes(stepBytes) - usedBytes < numNew * stepBytes) {
    uint8_t *slab = areLarge(stepBytes) ? mapHugePages(slabBytes(stepBytes)) : mapPages(slabBytes(stepBytes));
    if (!slab)
      throw std::bad_alloc();
    slabs.push_back(slab);
    usedBytes = 0;
  }
  for (auto &block : fresh) {
    block->bytes = slabs.back() + usedBytes;
    block->pool = this;
    usedBytes += stepBytes;
    free.push_back(block.get());
    blocks.push_back(std::move(block));
  }
}

} // namespace kvasir::runtime
