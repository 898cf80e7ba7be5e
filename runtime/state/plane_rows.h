// SPDX-License-Identifier: MIT
// Where single numbers of slots lie in their blocks.
#ifndef KVASIR_RUNTIME_STATE_PLANE_ROWS_H
#define KVASIR_RUNTIME_STATE_PLANE_ROWS_H

#include "plugins/description.h"
#include "runtime/state/element.h"

#include <vector>

namespace kvasir::runtime {

/// Where the elements of one layer lie on one plane of a cache's block. Offsets of the axes add up, so a table for each
/// will do.
struct PlaneRows {
  PlaneRows(const Plane &plane, const SlotDescription &slot, uint64_t layer);

  float load(const uint8_t *block, uint64_t token, uint64_t element) const {
    return loadElement(block, tokenBits[token] + elementBits[element], plane->element);
  }

  void store(uint8_t *block, uint64_t token, uint64_t element, float value) const {
    storeElement(block, tokenBits[token] + elementBits[element], plane->element, value);
  }

  const Plane *plane;
  std::vector<uint64_t> tokenBits;   ///< [128], with the plane's and the layer's offset
  std::vector<uint64_t> elementBits; ///< [G * D]
};

/// The bit at which an element of a row of a cache begins.
uint64_t rowBit(const Plane &plane, uint64_t layer, uint64_t head, uint64_t token, uint64_t lane);

/// The bit at which an element of a layer of a register begins.
uint64_t registerBit(const Plane &plane, uint64_t layer, uint64_t element);

} // namespace kvasir::runtime

#endif
