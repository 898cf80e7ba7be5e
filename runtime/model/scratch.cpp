// SPDX-License-Identifier: MIT
#include "runtime/model/scratch.h"

#include <new>
#include <sys/mman.h>

namespace kvasir::runtime {

Scratch::~Scratch() {
  if (bytes)
    munmap(bytes, heldBytes);
}

uint8_t *Scratch::reserve(size_t sizeBytes) {
  if (sizeBytes <= heldBytes)
    return bytes;
  if (bytes)
    munmap(bytes, heldBytes); // before the new piece, so that the peak is one of them
  bytes = nullptr;
  heldBytes = 0;
  void *fresh = mmap(nullptr, sizeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fresh == MAP_FAILED)
    throw std::bad_alloc();
  bytes = static_cast<uint8_t *>(fresh);
  heldBytes = sizeBytes;
  return bytes;
}

} // namespace kvasir::runtime
