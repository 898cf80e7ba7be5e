// SPDX-License-Identifier: MIT
#include "runtime/state/plane_rows.h"

#include "kvasir/plugin.h"

namespace kvasir::runtime {

uint64_t rowBit(const Plane &plane, uint64_t layer, uint64_t head, uint64_t token, uint64_t lane) {
  uint64_t indices[kNumAxes] = {};
  indices[static_cast<size_t>(Axis::layer)] = layer;
  indices[static_cast<size_t>(Axis::head)] = head;
  indices[static_cast<size_t>(Axis::token)] = token;
  indices[static_cast<size_t>(Axis::lane)] = lane;
  return bitOffset(plane, indices);
}

PlaneRows::PlaneRows(const Plane &given, const SlotDescription &slot, uint64_t layer) : plane(&given) {
  for (uint64_t token = 0; token < KV_BLOCK_TOKENS; ++token)
    tokenBits.push_back(rowBit(given, layer, 0, token, 0));
  for (uint64_t head = 0; head < slot.heads; ++head)
    for (uint64_t lane = 0; lane < slot.width; ++lane)
      elementBits.push_back(rowBit(given, 0, head, 0, lane) - given.offsetBits);
}

uint64_t registerBit(const Plane &plane, uint64_t layer, uint64_t element) {
  return rowBit(plane, layer, 0, 0, element);
}

} // namespace kvasir::runtime
