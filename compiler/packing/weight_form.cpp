// SPDX-License-Identifier: MIT
#include "compiler/packing/weight_form.h"

#include "plugins/float_bits.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace kvasir {
namespace {

/// The integers that code - zero runs through.
struct CodeRange {
  int32_t least, most;
};

CodeRange rangeOf(const WeightForm &form) {
  if (form.values)
    return {form.values->front(), form.values->back()};
  if (form.codes == ElementType::i8)
    return {-128, 127};
  return {-form.zero, (1 << elementBits(form.codes)) - 1 - form.zero};
}

/// The narrowest codes for a range, with the zeros that kernels know: none, or half of the range.
void setCodes(WeightForm &form, CodeRange range) {
  for (ElementType codes : {ElementType::u2, ElementType::u3, ElementType::u4, ElementType::u5, ElementType::u6}) {
    int32_t half = 1 << (elementBits(codes) - 1);
    for (int32_t zero : {0, half}) {
      if (range.least < -zero || range.most >= 2 * half - zero)
        continue;
      form.codes = codes;
      form.zero = zero;
      return;
    }
  }
  form.codes = ElementType::i8;
  form.zero = 0;
}

ElementType widerFloat(ElementType a, ElementType b) { return a == b ? a : ElementType::f32; }

/// The type of scales (or mins) of two forms: multiples of units only where both forms have units.
ElementType joinFactors(ElementType a, ElementType b, bool haveUnits) {
  return haveUnits ? ElementType::i8 : a == ElementType::i8 ? ElementType::f32 : widerFloat(a, b);
}

uint64_t numSuperblocks(const WeightRow &row) { return row.columns() / kSuperblock; }

int32_t codeAt(const WeightRow &row, uint64_t column) {
  return row.form().codes == ElementType::i8 ? int8_t(row.codes()[column]) : row.codes()[column];
}

void convertGroups(const WeightRow &from, WeightRow &to) {
  const WeightForm &source = from.form(), &target = to.form();
  uint64_t numGroups = to.columns() / target.group, split = source.group / target.group;
  if (target.hasUnits()) { // so has the source
    std::memcpy(to.units(), from.units(), 2 * numSuperblocks(from));
    if (source.min)
      std::memcpy(to.minUnits(), from.minUnits(), 2 * numSuperblocks(from));
    for (uint64_t g = 0; g < numGroups; ++g) {
      to.scales()[g] = from.scales()[g / split];
      if (source.min)
        to.mins()[g] = from.mins()[g / split];
    }
    return;
  }
  for (uint64_t g = 0; g < numGroups; ++g) {
    setFloatAt(target.scale, to.scales(), g, from.scale(g / split));
    if (target.min)
      setFloatAt(*target.min, to.mins(), g, from.min(g / split));
  }
}

} // namespace

std::string describe(const WeightForm &form) {
  std::string text = elementName(form.codes);
  if (form.group == 0)
    return text;
  text += " in groups of " + std::to_string(form.group) + ", scale " + elementName(form.scale);
  if (form.min)
    text += std::string(", min ") + elementName(*form.min);
  if (form.zero)
    text += ", zero " + std::to_string(form.zero);
  return form.values ? text + ", of sixteen values" : text;
}

WeightRow::WeightRow(const WeightForm &form, uint64_t columns)
    : rowForm(form), numColumns(columns), codeStore(columns * codeBytes(form)) {
  uint64_t numGroups = form.group ? columns / form.group : 0;
  scaleStore.resize(numGroups * elementBits(form.scale) / 8);
  if (form.min)
    minStore.resize(numGroups * elementBits(*form.min) / 8);
  uint64_t units = form.hasUnits() ? columns / kSuperblock : 0;
  unitStore.resize(2 * units);
  minUnitStore.resize(form.min ? 2 * units : 0);
}

float WeightRow::scale(uint64_t group) const {
  float scale = floatAt(rowForm.scale, scales(), group);
  return rowForm.hasUnits() ? floatAt(ElementType::f16, units(), group * rowForm.group / kSuperblock) * scale : scale;
}

float WeightRow::min(uint64_t group) const {
  if (!rowForm.min)
    return 0;
  float min = floatAt(*rowForm.min, mins(), group);
  return rowForm.hasUnits() ? floatAt(ElementType::f16, minUnits(), group * rowForm.group / kSuperblock) * min : min;
}

WeightForm joinForms(const WeightForm &a, const WeightForm &b) {
  if (a == b)
    return a;
  WeightForm joined;
  if (a.group == 0 || b.group == 0) {
    joined.codes = a.group == b.group ? widerFloat(a.codes, b.codes) : ElementType::f32;
    return joined;
  }
  CodeRange rangeA = rangeOf(a), rangeB = rangeOf(b);
  if (a.values && a.values == b.values)
    joined.codes = a.codes, joined.values = a.values;
  else
    setCodes(joined, {std::min(rangeA.least, rangeB.least), std::max(rangeA.most, rangeB.most)});
  joined.group = std::gcd(a.group, b.group);
  bool haveUnits = a.hasUnits() && b.hasUnits();
  joined.scale = joinFactors(a.scale, b.scale, haveUnits);
  if (a.min || b.min)
    joined.min = joinFactors(a.min ? *a.min : *b.min, b.min ? *b.min : *a.min, haveUnits);
  return joined;
}

void convertRow(const WeightRow &from, WeightRow &to) {
  const WeightForm &source = from.form(), &target = to.form();
  if (source == target) {
    to = from;
    return;
  }
  if (target.group == 0) {
    std::vector<float> values(from.columns());
    dequantise(from, values.data());
    for (uint64_t column = 0; column < values.size(); ++column)
      setFloatAt(target.codes, to.codes(), column, values[column]);
    return;
  }
  for (uint64_t column = 0; column < from.columns(); ++column)
    to.codes()[column] = uint8_t(codeAt(from, column) - source.zero + target.zero);
  convertGroups(from, to);
}

void dequantise(const WeightRow &row, float *values) {
  const WeightForm &form = row.form();
  if (form.group == 0) {
    for (uint64_t column = 0; column < row.columns(); ++column)
      values[column] = floatAt(form.codes, row.codes(), column);
    return;
  }
  for (uint64_t column = 0; column < row.columns(); ++column) {
    uint64_t g = column / form.group;
    float value = row.scale(g) * float(codeAt(row, column) - form.zero);
    values[column] = form.min ? value + row.min(g) : value;
  }
}

float floatAt(ElementType type, const uint8_t *elements, uint64_t index) {
  if (type == ElementType::f32) {
    float value;
    std::memcpy(&value, elements + index * sizeof(value), sizeof(value));
    return value;
  }
  if (type == ElementType::i8)
    return int8_t(elements[index]);
  uint16_t bits;
  std::memcpy(&bits, elements + index * sizeof(bits), sizeof(bits));
  return type == ElementType::f16 ? f32FromF16(bits) : f32FromBf16(bits);
}

void setFloatAt(ElementType type, uint8_t *elements, uint64_t index, float value) {
  if (type == ElementType::f32) {
    std::memcpy(elements + index * sizeof(value), &value, sizeof(value));
    return;
  }
  uint16_t bits = type == ElementType::f16 ? f16FromF32(value) : bf16FromF32(value);
  std::memcpy(elements + index * sizeof(bits), &bits, sizeof(bits));
}

} // namespace kvasir
