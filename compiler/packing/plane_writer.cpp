// SPDX-License-Identifier: MIT
#include "compiler/packing/plane_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvasir {
namespace {

uint64_t bitOfDigits(const std::vector<Digit> &digits, uint64_t index) {
  uint64_t bit = 0;
  for (const Digit &digit : digits) {
    bit += index % digit.extent * digit.strideBits;
    index /= digit.extent;
  }
  return bit;
}

std::vector<Digit> digitsOf(const Plane &plane, Axis axis) {
  std::vector<Digit> digits;
  for (const Digit &digit : plane.digits)
    if (digit.axis == axis)
      digits.push_back(digit);
  return digits;
}

using PlanesOfLayout = std::array<const Plane *, kNumWeightParts>;

/// Bits of codes that the plane of codes and the one above it have together.
unsigned codeBits(const PlanesOfLayout &planes) {
  const Plane *codes = planes[size_t(WeightPart::code)], *high = planes[size_t(WeightPart::highBits)];
  return (codes ? elementBits(codes->element) : 0) + (high ? numHighBits(*high) : 0);
}

/// Bits that tell the form's codes apart.
unsigned neededBits(const WeightForm &form) { return form.values ? 4 : elementBits(form.codes); }

/// Whether the form has something for a plane that is this part of a layout.
bool fits(WeightPart part, const Plane &plane, const WeightForm &form) {
  bool isGrouped = form.group != 0, isOfFloats = isFloat(plane.element), hasUnits = form.hasUnits();
  bool isFactor = hasUnits ? plane.element == ElementType::i8 : isOfFloats;
  switch (part) {
  case WeightPart::value:
    return isOfFloats;
  case WeightPart::code:
    return isGrouped ? !isOfFloats : plane.element == form.codes;
  case WeightPart::highBits:
    return isGrouped && !isOfFloats && numHighBits(plane) != 0 && !form.values;
  case WeightPart::scale:
    return isGrouped && isFactor;
  case WeightPart::min:
    return isFactor;
  case WeightPart::unit:
    return hasUnits && isOfFloats;
  case WeightPart::minUnit:
    return hasUnits && isOfFloats && form.min;
  }
  return false;
}

Status checkPart(const PlanesOfLayout &planes, WeightPart part, const Plane &plane, const WeightForm &form) {
  bool isTooNarrow = part == WeightPart::code && codeBits(planes) < neededBits(form);
  if (fits(part, plane, form) && !isTooNarrow)
    return Done{};
  return Failure{std::string("a plane of ") + roleName(plane.role) + "s in " + elementName(plane.element) +
                 " can't hold weights in " + describe(form)};
}

/// Columns of the form that share what a plane of this part has; 1 where each column has its own.
uint64_t columnsOf(WeightPart part, const WeightForm &form) {
  bool isOfGroups = part == WeightPart::scale || part == WeightPart::min;
  bool isOfUnits = part == WeightPart::unit || part == WeightPart::minUnit;
  return isOfGroups && form.group ? form.group : isOfUnits ? kSuperblock : 1;
}

/// Of each code, by its byte, which of the form's values it is.
std::array<uint8_t, 256> indexesOf(const WeightForm &form) {
  std::array<uint8_t, 256> indexes{};
  for (size_t i = form.values->size(); i-- > 0;)
    indexes[uint8_t((*form.values)[i])] = uint8_t(i);
  return indexes;
}

} // namespace

Result<PlaneWriter> PlaneWriter::make(const Layout &layout, const Plane &plane, const WeightForm &form,
                                      uint64_t columns) {
  PlanesOfLayout planes = weightPlanes(layout);
  auto part = WeightPart(std::find(planes.begin(), planes.end(), &plane) - planes.begin());
  if (Status status = checkPart(planes, part, plane, form); !status)
    return Failure{status.message()};
  PlaneWriter writer;
  writer.plane = part == WeightPart::highBits ? spreadHighBits(plane) : plane;
  writer.part = part;
  writer.form = form;
  writer.numCodeBits = part == WeightPart::highBits ? numHighBits(plane) : elementBits(plane.element);
  if (part == WeightPart::code && form.values && writer.numCodeBits < 8)
    writer.indexes = indexesOf(form);
  if (part == WeightPart::highBits)
    writer.firstCodeBit = elementBits(planes[size_t(WeightPart::code)]->element);
  std::vector<Digit> columnDigits = digitsOf(writer.plane, Axis::column);
  writer.rowDigits = digitsOf(plane, Axis::row);
  if (columnDigits.size() + writer.rowDigits.size() != plane.digits.size())
    return Failure{"a weight's layout has digits of other axes than row and column"};

  uint64_t shared = columnsOf(part, form);
  if (shared > 1 && !columnDigits.empty() && columnDigits.front().strideBits == 0)
    writer.columnStep = columnDigits.front().extent;
  if (shared % writer.columnStep != 0)
    return Failure{"a layout has groups of " + std::to_string(writer.columnStep) + "; the weight's are of " +
                   std::to_string(shared)};
  uint64_t reach = part == WeightPart::highBits ? writer.numCodeBits : elementBits(plane.element);
  for (const Digit &digit : columnDigits)
    reach += (digit.extent - 1) * digit.strideBits;
  if (reach > UINT32_MAX)
    return Failure{"a row of a layout spans " + std::to_string(reach / 8) + " bytes"};
  for (uint64_t column = 0; column < columns; column += writer.columnStep)
    writer.columnBits.push_back(uint32_t(bitOfDigits(columnDigits, column)));

  for (size_t i = 0; i < writer.rowDigits.size(); ++i) {
    const Digit &digit = writer.rowDigits[i];
    if (i + 1 == writer.rowDigits.size()) {
      writer.panelStrideBits = digit.strideBits;
      break;
    }
    writer.numPanelRows *= digit.extent;
    reach += (digit.extent - 1) * digit.strideBits;
  }
  writer.firstBit = plane.offsetBits;
  writer.lastBit = plane.offsetBits + reach;
  return writer;
}

uint64_t PlaneWriter::rowBit(uint64_t row) const { return plane.offsetBits + bitOfDigits(rowDigits, row); }

Status PlaneWriter::write(const WeightRow &row, uint8_t *bytes, uint64_t bit) const {
  switch (part) {
  case WeightPart::value:
    return writeValues(row, bytes, bit);
  case WeightPart::scale:
    return writeFloats(form.scale, row.scales(), form.group / columnStep, bytes, bit);
  case WeightPart::min:
    if (form.min)
      return writeFloats(*form.min, row.mins(), form.group / columnStep, bytes, bit);
    break;
  case WeightPart::unit:
    return writeFloats(ElementType::f16, row.units(), kSuperblock / columnStep, bytes, bit);
  case WeightPart::minUnit:
    return writeFloats(ElementType::f16, row.minUnits(), kSuperblock / columnStep, bytes, bit);
  case WeightPart::code:
  case WeightPart::highBits:
    if (isFloat(form.codes))
      return writeFloats(form.codes, row.codes(), 1, bytes, bit);
    writeCodes(row, bytes, bit);
  }
  return Done{};
}

void PlaneWriter::writeCodes(const WeightRow &row, uint8_t *bytes, uint64_t bit) const {
  thread_local std::vector<uint8_t> indexed;
  const uint8_t *codes = row.codes();
  if (indexes) {
    indexed.resize(row.columns());
    std::transform(codes, codes + row.columns(), indexed.begin(), [&](uint8_t code) { return (*indexes)[code]; });
    codes = indexed.data();
  }
  const uint32_t *columns = columnBits.data();
  size_t count = columnBits.size();
  unsigned mask = (1u << numCodeBits) - 1;
  switch (numCodeBits) {
  case 1:
  case 2:
  case 4:
    for (size_t i = 0; i < count; ++i)
      bytes[(bit + columns[i]) >> 3] |= uint8_t((codes[i] >> firstCodeBit & mask) << ((bit + columns[i]) & 7));
    return;
  case 8: {
    uint8_t bias = form.codes == ElementType::i8 && plane.element == ElementType::u8 ? 128 : 0;
    for (size_t i = 0; i < count; ++i)
      bytes[(bit + columns[i]) >> 3] = uint8_t(codes[i] + bias);
    return;
  }
  default:
    for (size_t i = 0; i < count; ++i) {
      uint16_t window;
      uint8_t *at = bytes + ((bit + columns[i]) >> 3);
      std::memcpy(&window, at, sizeof(window));
      window |= uint16_t(codes[i] << ((bit + columns[i]) & 7));
      std::memcpy(at, &window, sizeof(window));
    }
  }
}

bool PlaneWriter::store(float value, uint8_t *at) const {
  setFloatAt(plane.element, at, 0, value);
  return !std::isinf(floatAt(plane.element, at, 0)) || std::isinf(value);
}

Failure PlaneWriter::tooLarge(float value) const {
  return Failure{
      std::string("has the ") + roleName(plane.role) + " " + std::to_string(value) + ", too large for " +
      elementName(plane.element) +
      ", in which this backend keeps it; compile with activations that are not rounded (--activations exact)"};
}

Status PlaneWriter::writeFloats(ElementType from, const uint8_t *elements, uint64_t perElement, uint8_t *bytes,
                                uint64_t bit) const {
  uint64_t size = elementBits(plane.element) / 8;
  for (size_t i = 0; i < columnBits.size(); ++i) {
    uint8_t *at = bytes + ((bit + columnBits[i]) >> 3);
    if (from == plane.element)
      std::memcpy(at, elements + i / perElement * size, size);
    else if (float value = floatAt(from, elements, i / perElement); !store(value, at))
      return tooLarge(value);
  }
  return Done{};
}

Status PlaneWriter::writeValues(const WeightRow &row, uint8_t *bytes, uint64_t bit) const {
  if (form.codes == plane.element) // a float, without groups
    return writeFloats(form.codes, row.codes(), 1, bytes, bit);
  thread_local std::vector<float> values;
  values.resize(row.columns());
  dequantise(row, values.data());
  for (size_t i = 0; i < columnBits.size(); ++i)
    if (!store(values[i], bytes + ((bit + columnBits[i]) >> 3)))
      return tooLarge(values[i]);
  return Done{};
}

} // namespace kvasir
