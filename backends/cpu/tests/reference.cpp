// SPDX-License-Identifier: MIT
#include "backends/cpu/tests/reference.h"

#include <cmath>
#include <cstring>

namespace kvasir::cpu {

uint16_t floatToHalf(float value) {
  _Float16 half = _Float16(value);
  uint16_t bits;
  std::memcpy(&bits, &half, 2);
  return bits;
}

float halfToFloat(uint16_t bits) {
  _Float16 half;
  std::memcpy(&half, &bits, 2);
  return float(half);
}

uint16_t floatToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float bf16ToFloat(uint16_t value) {
  uint32_t bits = uint32_t(value) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

namespace {
float rounded(ElementType element, float value) {
  if (element == ElementType::f16)
    return halfToFloat(floatToHalf(value));
  return element == ElementType::bf16 ? bf16ToFloat(floatToBf16(value)) : value;
}
} // namespace

void Matrix::put(const Plane &plane, int64_t row, int64_t column, double value, unsigned bits) {
  uint64_t indices[6] = {0, uint64_t(row), uint64_t(column), 0, 0, 0};
  uint64_t bit = bitOffset(plane, indices);
  uint32_t word = 0;
  float single = float(value);
  switch (plane.element) {
  case ElementType::f32:
    std::memcpy(&word, &single, 4);
    break;
  case ElementType::f16:
    word = floatToHalf(single);
    break;
  case ElementType::bf16:
    word = floatToBf16(single);
    break;
  default:
    word = uint32_t(int32_t(value)) & ((1u << bits) - 1);
  }
  uint8_t *at = packed.data() + packedAt + bit / 8;
  if (elementBits(plane.element) < 8)
    *at = uint8_t(*at | word << bit % 8);
  else
    std::memcpy(at, &word, elementBits(plane.element) / 8);
}

void Matrix::fill(std::vector<float> &into, ElementType element, int64_t count, float scale, std::mt19937 &random) {
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < count; ++i)
    into.push_back(rounded(element, normal(random) * scale));
}

void Matrix::fillFactors(bool areMins, std::vector<float> &into, ElementType element, float scale,
                         std::mt19937 &random) {
  int64_t count = rows * columns / format.group;
  if (!format.hasUnits())
    return fill(into, element, count, scale, random);
  fill(units[areMins], ElementType::f16, rows * columns / kSuperblockColumns, scale / 64, random);
  std::uniform_int_distribution<int> multiple(-128, 127);
  for (int64_t i = 0; i < count; ++i) {
    multiples[areMins].push_back(multiple(random));
    into.push_back(units[areMins][i * format.group / kSuperblockColumns] * float(multiples[areMins].back()));
  }
}

Matrix::Matrix(const WeightFormat &format, int64_t rows, int64_t columns, std::mt19937 &random)
    : format(format), rows(rows), columns(columns) {
  Layout layout = format.layout(rows, columns);
  packed.resize(layout.sizeBytes + 64);
  packedAt = -uintptr_t(packed.data()) & 63;
  if (!format.isGrouped())
    fill(values, format.codes, rows * columns, 1, random);
  else {
    int low = format.codes == ElementType::i8 ? -128 : 0, high = format.codes == ElementType::i8 ? 127 : 63;
    if (format.isPacked())
      high = (1 << elementBits(format.codes)) - 1;
    std::uniform_int_distribution<int> code(low, high);
    for (int64_t i = 0; i < rows * columns; ++i)
      numbers.push_back(i % 97 == 0 ? low : i % 89 == 0 ? high : code(random));
    for (int32_t number : numbers)
      codes.push_back(format.table ? (*format.table)[number] : number);
    fillFactors(false, scales, format.scale, 0.01f, random);
    if (format.min)
      fillFactors(true, mins, *format.min, 0.1f, random);
  }
  auto planes = weightPlanes(layout);
  for (size_t part = 0; part < kNumWeightParts; ++part) {
    if (!planes[part])
      continue;
    bool areHighBits = WeightPart(part) == WeightPart::highBits;
    Plane plane = areHighBits ? spreadHighBits(*planes[part]) : *planes[part];
    for (int64_t n = 0; n < rows; ++n)
      for (int64_t k = 0; k < columns; k += stepOf(WeightPart(part)))
        put(plane, n, k, valueOf(WeightPart(part), n, k), areHighBits ? format.highBits() : elementBits(plane.element));
  }
}

int64_t Matrix::stepOf(WeightPart part) const {
  bool isOfGroups = part == WeightPart::scale || part == WeightPart::min;
  bool isOfUnits = part == WeightPart::unit || part == WeightPart::minUnit;
  return isOfGroups ? format.group : isOfUnits ? kSuperblockColumns : 1;
}

double Matrix::valueOf(WeightPart part, int64_t row, int64_t column) const {
  int64_t at = row * columns + column, group = format.isGrouped() ? at / format.group : 0;
  switch (part) {
  case WeightPart::value:
    return values[at];
  case WeightPart::code:
    return numbers[at];
  case WeightPart::highBits:
    return numbers[at] >> format.lowBits();
  case WeightPart::scale:
    return format.hasUnits() ? multiples[0][group] : scales[group];
  case WeightPart::min:
    return format.hasUnits() ? multiples[1][group] : mins[group];
  case WeightPart::unit:
  case WeightPart::minUnit:
    return units[part == WeightPart::minUnit][at / kSuperblockColumns];
  }
  return 0;
}

namespace {
/// Sixteen lanes in a halving tree, as Code::reduceAdd does it.
float treeSum(const float *values, int64_t lanes) {
  std::vector<float> sums(values, values + lanes);
  for (int64_t half = lanes / 2; half; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      sums[i] += sums[i + half];
  return sums[0];
}

struct Group {
  float values[32]; ///< what meets the weight: rounded columns, or int8
  float scale = 1;
  float sums[2];
};

float largestOf(const float *columns, int64_t count) {
  float largest = 0;
  for (int64_t k = 0; k < count; ++k)
    largest = std::max(largest, std::fabs(columns[k]));
  return largest;
}

/// `largest` of the whole row: scales of int8 are whole multiples of its unit.
Group roundGroup(const float *columns, Activations rounding, int64_t parts, float largest) {
  Group group;
  float perOne = largest > 0 ? 32766.0f / largest : 0.0f;
  float multiplier = std::nearbyintf(largestOf(columns, 32) * perOne + 0.5f);
  float inverse = multiplier > 0 ? perOne * 127.0f / multiplier : 0.0f;
  for (int64_t k = 0; k < 32; ++k)
    group.values[k] = rounding == Activations::int8   ? std::nearbyintf(columns[k] * inverse)
                      : rounding == Activations::bf16 ? bf16ToFloat(floatToBf16(columns[k]))
                                                      : columns[k];
  if (rounding == Activations::int8)
    group.scale = multiplier;
  float halves[16];
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t i = 0; i < 16; ++i)
      halves[i] = parts == 2 ? group.values[16 * part + i] : group.values[i] + group.values[16 + i];
    group.sums[part] = group.scale * treeSum(halves, 16);
  }
  return group;
}
} // namespace

std::vector<float> linearOfRow(const Matrix &m, const float *row, Activations rounding) {
  static const int64_t kGrouped[] = {2, 0, 3, 1}, kPairs[] = {1, 0, 3, 2}, kPlain[] = {0, 1, 2, 3};
  const int64_t *order = m.format.isGrouped() ? kGrouped : m.format.codes == ElementType::bf16 ? kPairs : kPlain;
  std::vector<float> result(m.rows);
  int64_t parts = std::max<int64_t>(1, m.format.subgroups()), size = 32 / parts;
  bool isInt = rounding == Activations::int8;
  // Integer dots are of narrow codes less the half of their range, for which mins make up.
  int64_t zero = isInt ? m.format.centre() : m.format.zero, more = zero - m.format.zero;
  float largest = largestOf(row, m.columns);
  for (int64_t g = 0; g < m.columns / 32; ++g) {
    Group group = roundGroup(row + 32 * g, rounding, parts, largest);
    for (int64_t n = 0; n < m.rows; ++n)
      for (int64_t part = 0; part < parts; ++part) {
        float &y = result[n];
        float sum = m.format.isGrouped() ? 0.0f : y;
        for (int64_t i = 0; i < size; ++i) {
          int64_t k = part * size + i / 4 * 4 + order[i % 4], at = n * m.columns + 32 * g + k;
          float w = m.format.isGrouped() ? float(m.codes[at] - zero) : m.values[at];
          sum = std::fmaf(w, group.values[k], sum); // exact for integers: |sum| < 2^24
        }
        if (!m.format.isGrouped()) {
          y = sum;
          continue;
        }
        int64_t at = (n * m.columns + 32 * g + part * size) / m.format.group;
        if (m.format.min && isInt)
          y = std::fmaf(more ? std::fmaf(float(more), m.scales[at], m.mins[at]) : m.mins[at], group.sums[part], y);
        y = std::fmaf(isInt ? sum * group.scale : sum, m.scales[at], y);
        if (m.format.min && !isInt)
          y = std::fmaf(m.mins[at], group.sums[part], y);
      }
  }
  if (rounding == Activations::int8)
    for (float &y : result)
      y *= largest * (1.0f / (127.0f * 32766.0f));
  return result;
}

std::vector<double> exactLinearOfRow(const Matrix &m, const float *row) {
  std::vector<double> result(m.rows);
  for (int64_t n = 0; n < m.rows; ++n)
    for (int64_t k = 0; k < m.columns; ++k) {
      int64_t at = n * m.columns + k, grouped = m.format.isGrouped() ? at / m.format.group : 0;
      double w = m.format.isGrouped() ? double(m.scales[grouped]) * (m.codes[at] - m.format.zero) +
                                            (m.format.min ? m.mins[grouped] : 0.0f)
                                      : m.values[at];
      result[n] += w * row[k];
    }
  return result;
}

} // namespace kvasir::cpu
