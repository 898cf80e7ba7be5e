// SPDX-License-Identifier: MIT
// The memory of one call.
#ifndef KVASIR_RUNTIME_MODEL_SCRATCH_H
#define KVASIR_RUNTIME_MODEL_SCRATCH_H

#include <cstddef>
#include <cstdint>

namespace kvasir::runtime {

/// One piece of memory that grows to the largest call so far. What a call leaves in it is undefined for the next.
class Scratch {
public:
  Scratch() = default;
  Scratch(const Scratch &) = delete;
  ~Scratch();

  /// At least `sizeBytes` bytes on a page border; null for 0 bytes if none were needed before. Throws std::bad_alloc.
  uint8_t *reserve(size_t sizeBytes);

  size_t sizeBytes() const { return heldBytes; }

private:
  uint8_t *bytes = nullptr;
  size_t heldBytes = 0;
};

} // namespace kvasir::runtime

#endif
