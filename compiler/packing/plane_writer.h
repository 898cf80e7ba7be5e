// SPDX-License-Identifier: MIT
// Writes rows in normal form into one plane of a layout.
#ifndef KVASIR_PACKING_PLANE_WRITER_H
#define KVASIR_PACKING_PLANE_WRITER_H

#include "compiler/packing/weight_form.h"
#include "compiler/packing/weight_planes.h"
#include "plugins/result.h"

namespace kvasir {

/// A plane's digits as tables. The bit of an element is the plane's offset, plus what its row's digits give, plus what
/// its column's digits give; so each column is worked out once for a weight, and each row once for all its elements.
class PlaneWriter {
public:
  /// Of one of the layout's planes. Errors: the plane has a role that the form has nothing for; a group that the form's
  /// does not divide into.
  static Result<PlaneWriter> make(const Layout &layout, const Plane &plane, const WeightForm &form, uint64_t columns);

  /// The row digits but the most significant: rows that lie close to each other.
  uint64_t panelRows() const { return numPanelRows; }
  /// Bits from panel to panel; 0 if there is one panel only.
  uint64_t panelBits() const { return panelStrideBits; }
  /// The bits of a panel are in [beginBits, endBits), counted from the layout's beginning for the first panel.
  uint64_t beginBits() const { return firstBit; }
  uint64_t endBits() const { return lastBit; }

  /// The bit at which `row` begins, digits of the column being 0.
  uint64_t rowBit(uint64_t row) const;

  /// Writes all elements of a row into zeroed bytes. `bit` is rowBit less what lies before `bytes`. Codes of three,
  /// five and six bits touch the byte behind their last. Errors: a finite number too large for the plane's type.
  Status write(const WeightRow &row, uint8_t *bytes, uint64_t bit) const;

private:
  PlaneWriter() = default;
  void writeCodes(const WeightRow &row, uint8_t *bytes, uint64_t bit) const;
  Status writeFloats(ElementType from, const uint8_t *elements, uint64_t perElement, uint8_t *bytes,
                     uint64_t bit) const;
  Status writeValues(const WeightRow &row, uint8_t *bytes, uint64_t bit) const;
  /// Rounds a number to the plane's type. False if it is too large for that.
  bool store(float value, uint8_t *at) const;
  Failure tooLarge(float value) const;

  Plane plane;
  WeightForm form;
  WeightPart part = WeightPart::value;
  unsigned firstCodeBit = 0, numCodeBits = 8;      // that the plane has of each code
  std::optional<std::array<uint8_t, 256>> indexes; // where codes are packed as which of the form's values they are
  uint64_t columnStep = 1;                         // columns that share an element
  std::vector<uint32_t> columnBits;                // of each element of a row
  std::vector<Digit> rowDigits;
  uint64_t numPanelRows = 1, panelStrideBits = 0, firstBit = 0, lastBit = 0;
};

} // namespace kvasir

#endif
