// SPDX-License-Identifier: MIT
// The stored elements of a slot's rows, one by one, whatever the layout.
#ifndef KVASIR_RUNTIME_AUDIT_CELLS_H
#define KVASIR_RUNTIME_AUDIT_CELLS_H

#include "plugins/description.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace kvasir::runtime::audit {

/// Two finite values of every element type, unlike each other in every bit pattern that matters.
enum class Fill : uint8_t { a, b };

/// Where the elements of one plane lie in a block. Offsets of the axes add up, so a table for each will do. Elements
/// that several lanes or heads share (a scale) are there once.
struct PlaneCells {
  ElementType element;
  unsigned bits;
  std::vector<uint64_t> layerBits, tokenBits, elementBits;
  uint64_t fills[2]; ///< by Fill
};

/// A cache's block, or a register's value, which has one row.
class Cells {
public:
  explicit Cells(const SlotDescription &slot);

  /// Rows of one block.
  uint64_t tokens() const { return numTokens; }
  uint64_t layers() const { return numLayers; }
  /// Stored elements of one row of one layer, of all planes.
  size_t perRow() const { return numElements; }

  size_t blockBytes() const { return sizeBytes; }
  /// Bytes from one layer to the next if a block is its layers one after the other; else 0.
  size_t layerBytes() const { return oneLayerBytes; }

  /// Calls visitor(value, plane) with a reference to each stored element of a row, in an order that depends on the slot
  /// only. The value is an unsigned number of the element's width. Cost: about 1 ns an element.
  template <typename Visitor> void visitRow(uint8_t *block, uint64_t layer, uint64_t token, Visitor &&visitor) const {
    for (const PlaneCells &plane : planes)
      visitPlane(block, plane, layer, token, visitor);
  }

  /// Puts the fill into every element of a row.
  void fillRow(uint8_t *block, uint64_t layer, uint64_t token, Fill fill) const;

  /// Appends the row's elements to `raw`, 8 bytes or fewer each.
  void takeRow(const uint8_t *block, uint64_t layer, uint64_t token, uint8_t *raw) const;
  /// Bytes that takeRow writes.
  size_t rawBytesPerRow() const { return rawBytes; }

  /// Does the row hold something else than takeRow took?
  bool isUnlike(const uint8_t *block, uint64_t layer, uint64_t token, const uint8_t *raw) const;

  /// Does the same row of another block?
  bool differs(const uint8_t *block, const uint8_t *other, uint64_t layer, uint64_t token) const;

private:
  template <typename Number, typename Visitor>
  static void visitWhole(uint8_t *bytes, const PlaneCells &plane, uint64_t first, Visitor &visitor) {
    for (const uint64_t bit : plane.elementBits) {
      Number number;
      std::memcpy(&number, bytes + (first + bit) / 8, sizeof number);
      const Number before = number;
      visitor(number, plane);
      if (number != before)
        std::memcpy(bytes + (first + bit) / 8, &number, sizeof number);
    }
  }

  template <typename Visitor>
  static void visitParts(uint8_t *bytes, const PlaneCells &plane, uint64_t first, Visitor &visitor) {
    for (const uint64_t bit : plane.elementBits) {
      uint8_t number = loadPart(bytes, first + bit, plane.bits);
      const uint8_t before = number;
      visitor(number, plane);
      if (number != before)
        storePart(bytes, first + bit, plane.bits, number);
    }
  }

  template <typename Visitor>
  static void visitPlane(uint8_t *block, const PlaneCells &plane, uint64_t layer, uint64_t token, Visitor &visitor) {
    const uint64_t first = plane.layerBits[layer] + plane.tokenBits[token];
    switch (plane.bits) {
    case 8:
      return visitWhole<uint8_t>(block, plane, first, visitor);
    case 16:
      return visitWhole<uint16_t>(block, plane, first, visitor);
    case 32:
      return visitWhole<uint32_t>(block, plane, first, visitor);
    case 64:
      return visitWhole<uint64_t>(block, plane, first, visitor);
    default:
      return visitParts(block, plane, first, visitor);
    }
  }

  static uint8_t loadPart(const uint8_t *bytes, uint64_t bit, unsigned bits);
  static void storePart(uint8_t *bytes, uint64_t bit, unsigned bits, uint8_t number);
  void addPlane(const Plane &plane, const SlotDescription &slot);

  uint64_t numTokens, numLayers;
  size_t sizeBytes, numElements = 0, rawBytes = 0;
  size_t oneLayerBytes;
  std::vector<PlaneCells> planes;
};

} // namespace kvasir::runtime::audit

#endif
