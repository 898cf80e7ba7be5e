// SPDX-License-Identifier: MIT
#include "runtime/imported/registers.h"

#include "runtime/api/handles.h"
#include "runtime/state/error.h"
#include "runtime/state/split.h"

#include <cstring>

namespace kvasir::imported {
namespace {

const Plane &planeOf(const SlotDescription &slot) {
  if (slot.kind != SlotKind::reg || slot.layers != 1 || slot.layout.planes.size() != 1)
    throw runtime::Error(KV_UNSUPPORTED, "slot " + slot.name + " is no register of one tensor");
  return slot.layout.planes[0];
}

/// Do elements lie side by side?
bool isDense(const Plane &plane) {
  size_t numLanes = 0;
  bool isSideBySide = true;
  for (const Digit &digit : plane.digits)
    if (digit.axis == Axis::lane) {
      ++numLanes;
      isSideBySide = digit.strideBits == elementBits(plane.element);
    }
  return numLanes == 1 && isSideBySide;
}

/// `copy(stored, dense, sizeBytes)` for the pieces of a register's block and of a dense tensor, as offsets in bytes.
template <typename Copy> void forEachPiece(const Plane &plane, uint64_t numElements, Copy copy) {
  uint64_t indices[kNumAxes] = {};
  const size_t sizeBytes = elementBits(plane.element) / 8;
  if (isDense(plane) && numElements > 0)
    return copy(bitOffset(plane, indices) / 8, 0, numElements * sizeBytes);
  for (uint64_t i = 0; i < numElements; ++i) {
    indices[static_cast<size_t>(Axis::lane)] = i;
    copy(bitOffset(plane, indices) / 8, i * sizeBytes, sizeBytes);
  }
}

} // namespace

Tensor readRegister(kvasir_state *state, size_t index, const SlotDescription &slot) {
  const Plane &plane = planeOf(slot);
  const runtime::StateLock lock(*state->state);
  const runtime::BlockRef whole = runtime::wholeRegister(*state->state, index);
  const uint8_t *block = whole.bytes();
  Tensor value = Tensor::make(plane.element, slot.shape);
  forEachPiece(plane, value.numElements(), [&](uint64_t stored, uint64_t dense, size_t sizeBytes) {
    std::memcpy(&value.bytes[dense], block + stored, sizeBytes);
  });
  return value;
}

void writeRegister(kvasir_state *state, size_t index, const SlotDescription &slot, const Tensor &value) {
  const Plane &plane = planeOf(slot);
  runtime::State &held = *state->state;
  const runtime::StateLock lock(held);
  runtime::BlockPool &pool = held.slots().pool(index);
  runtime::BlockRef block = pool.acquire();
  std::memset(block.bytes(), 0, pool.blockBytes());
  forEachPiece(plane, value.numElements(), [&](uint64_t stored, uint64_t dense, size_t sizeBytes) {
    std::memcpy(block.bytes() + stored, &value.bytes[dense], sizeBytes);
  });
  const uint64_t length = held.slots().hasOrigins() ? 0 : held.length(); // its rows may be in caches
  runtime::Contents contents = runtime::splitAt(held, length);
  contents.tables[index].replace(0, std::move(block));
  held.adopt(length, std::move(contents));
}

} // namespace kvasir::imported
