// SPDX-License-Identifier: MIT
#include "runtime/state/block_table.h"

namespace kvasir::runtime {

void BlockTable::push(BlockRef block) {
  if (bytes.size() == bytes.capacity())
    bytes.reserve(2 * bytes.size() + 8); // before the block moves in, so that a failure leaves both as they were
  blocks.push_back(std::move(block));
  bytes.push_back(blocks.back() ? blocks.back().bytes() : nullptr);
}

void BlockTable::replace(size_t index, BlockRef block) {
  blocks[index] = std::move(block);
  bytes[index] = blocks[index].bytes();
}

void BlockTable::shrink(size_t count) {
  blocks.resize(count);
  bytes.resize(count);
}

void BlockTable::release(size_t first, size_t last) {
  for (size_t i = first; i < last; ++i) {
    blocks[i] = {};
    bytes[i] = nullptr;
  }
}

size_t BlockTable::firstHeld() const {
  size_t first = 0;
  while (first < blocks.size() && !blocks[first])
    ++first;
  return first;
}

} // namespace kvasir::runtime
