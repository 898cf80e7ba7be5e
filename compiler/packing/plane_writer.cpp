// SPDX-License-Identifier: MIT
#include "compiler/packing/plane_writer.h"

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

bool isFloat(ElementType type) {
  return type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16;
}

Status checkRole(const Plane &plane, const WeightForm &form) {
  bool grouped = form.group != 0;
  auto fits = [&] {
    switch (plane.role) {
    case PlaneRole::value:
      return isFloat(plane.element);
    case PlaneRole::code:
      return grouped ? !isFloat(plane.element) : plane.element == form.codes;
    case PlaneRole::scale:
      return grouped && isFloat(plane.element);
    case PlaneRole::min:
      return isFloat(plane.element);
    }
    return false;
  };
  bool tooNarrow = plane.role == PlaneRole::code && elementBits(plane.element) < elementBits(form.codes);
  if (fits() && !tooNarrow)
    return Done{};
  return Failure{std::string("a plane of ") + roleName(plane.role) + "s in " + elementName(plane.element) +
                 " can't hold weights in " + describe(form)};
}

} // namespace

Result<PlaneWriter> PlaneWriter::make(const Plane &plane, const WeightForm &form, uint64_t columns) {
  if (Status status = checkRole(plane, form); !status)
    return Failure{status.message()};
  PlaneWriter writer;
  writer.plane = plane;
  writer.form = form;
  std::vector<Digit> columnDigits = digitsOf(plane, Axis::column);
  writer.rowDigits = digitsOf(plane, Axis::row);
  if (columnDigits.size() + writer.rowDigits.size() != plane.digits.size())
    return Failure{"a weight's layout has digits of other axes than row and column"};

  bool ofGroups = plane.role == PlaneRole::scale || plane.role == PlaneRole::min;
  if (ofGroups && !columnDigits.empty() && columnDigits.front().strideBits == 0)
    writer.columnStep = columnDigits.front().extent;
  if (ofGroups && form.group % writer.columnStep != 0)
    return Failure{"a layout has groups of " + std::to_string(writer.columnStep) + "; the weight's are of " +
                   std::to_string(form.group)};
  uint64_t reach = elementBits(plane.element);
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
  switch (plane.role) {
  case PlaneRole::value:
    return writeValues(row, bytes, bit);
  case PlaneRole::scale:
    return writeFloats(form.scale, row.scales(), form.group / columnStep, bytes, bit);
  case PlaneRole::min:
    if (form.min)
      return writeFloats(*form.min, row.mins(), form.group / columnStep, bytes, bit);
    break;
  case PlaneRole::code:
    if (isFloat(form.codes))
      return writeFloats(form.codes, row.codes(), 1, bytes, bit);
    writeCodes(row, bytes, bit);
  }
  return Done{};
}

void PlaneWriter::writeCodes(const WeightRow &row, uint8_t *bytes, uint64_t bit) const {
  const uint8_t *codes = row.codes();
  const uint32_t *columns = columnBits.data();
  size_t count = columnBits.size();
  switch (elementBits(plane.element)) {
  case 4:
    for (size_t i = 0; i < count; ++i)
      bytes[(bit + columns[i]) >> 3] |= uint8_t(codes[i] << ((bit + columns[i]) & 7));
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
