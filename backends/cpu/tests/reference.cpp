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

void Matrix::put(const Plane &plane, int64_t row, int64_t column, double value) {
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
    word = uint32_t(int32_t(value)) & ((1u << elementBits(plane.element)) - 1);
  }
  uint8_t *at = packed.data() + packedAt + bit / 8;
  if (elementBits(plane.element) < 8)
    *at = uint8_t(*at | word << bit % 8);
  else
    std::memcpy(at, &word, elementBits(plane.element) / 8);
}

Matrix::Matrix(const WeightFormat &format, int64_t rows, int64_t columns, std::mt19937 &random)
    : format(format), rows(rows), columns(columns) {
  Layout layout = format.layout(rows, columns);
  packed.resize(layout.sizeBytes + 64);
  packedAt = -uintptr_t(packed.data()) & 63;
  std::normal_distribution<float> normal;
  auto fill = [&](std::vector<float> &into, ElementType element, int64_t count, float scale) {
    for (int64_t i = 0; i < count; ++i)
      into.push_back(rounded(element, normal(random) * scale));
  };
  if (!format.isGrouped())
    fill(values, format.codes, rows * columns, 1);
  else {
    int low = format.codes == ElementType::i8 ? -128 : 0, high = format.codes == ElementType::u4 ? 15 : low + 255;
    if (format.codes == ElementType::u8)
      high = 63;
    std::uniform_int_distribution<int> code(low, high);
    for (int64_t i = 0; i < rows * columns; ++i)
      codes.push_back(i % 97 == 0 ? low : i % 89 == 0 ? high : code(random));
    fill(scales, format.scale, rows * columns / format.group, 0.01f);
    if (format.min)
      fill(mins, *format.min, rows * columns / format.group, 0.1f);
  }
  for (const Plane &plane : layout.planes)
    for (int64_t n = 0; n < rows; ++n)
      for (int64_t k = 0; k < columns; ++k) {
        int64_t grouped = format.isGrouped() ? (n * columns + k) / format.group : 0;
        double value = plane.role == PlaneRole::value   ? values[n * columns + k]
                       : plane.role == PlaneRole::scale ? scales[grouped]
                       : plane.role == PlaneRole::min   ? mins[grouped]
                                                        : codes[n * columns + k];
        if (plane.role == PlaneRole::scale || plane.role == PlaneRole::min) {
          if (k % format.group == 0)
            put(plane, n, k, value);
        } else {
          put(plane, n, k, value);
        }
      }
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
Group roundGroup(const float *columns, Rounding rounding, int64_t parts, float largest) {
  Group group;
  float perOne = largest > 0 ? 32766.0f / largest : 0.0f;
  float multiplier = std::nearbyintf(largestOf(columns, 32) * perOne + 0.5f);
  float inverse = multiplier > 0 ? perOne * 127.0f / multiplier : 0.0f;
  for (int64_t k = 0; k < 32; ++k)
    group.values[k] = rounding == Rounding::int8   ? std::nearbyintf(columns[k] * inverse)
                      : rounding == Rounding::bf16 ? bf16ToFloat(floatToBf16(columns[k]))
                                                   : columns[k];
  if (rounding == Rounding::int8)
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

std::vector<float> linearOfRow(const Matrix &m, const float *row, Rounding rounding) {
  static const int64_t kGrouped[] = {2, 0, 3, 1}, kPairs[] = {1, 0, 3, 2}, kPlain[] = {0, 1, 2, 3};
  const int64_t *order = m.format.isGrouped() ? kGrouped : m.format.codes == ElementType::bf16 ? kPairs : kPlain;
  std::vector<float> result(m.rows);
  int64_t parts = std::max<int64_t>(1, m.format.subgroups()), size = 32 / parts;
  float largest = largestOf(row, m.columns);
  for (int64_t g = 0; g < m.columns / 32; ++g) {
    Group group = roundGroup(row + 32 * g, rounding, parts, largest);
    for (int64_t n = 0; n < m.rows; ++n)
      for (int64_t part = 0; part < parts; ++part) {
        float &y = result[n];
        float sum = m.format.isGrouped() ? 0.0f : y;
        for (int64_t i = 0; i < size; ++i) {
          int64_t k = part * size + i / 4 * 4 + order[i % 4], at = n * m.columns + 32 * g + k;
          float w = m.format.isGrouped() ? float(m.codes[at] - m.format.zero) : m.values[at];
          sum = std::fmaf(w, group.values[k], sum); // exact for integers: |sum| < 2^24
        }
        if (!m.format.isGrouped()) {
          y = sum;
          continue;
        }
        int64_t at = (n * m.columns + 32 * g + part * size) / m.format.group;
        bool isInt = rounding == Rounding::int8;
        if (m.format.min && isInt)
          y = std::fmaf(m.mins[at], group.sums[part], y);
        y = std::fmaf(isInt ? sum * group.scale : sum, m.scales[at], y);
        if (m.format.min && !isInt)
          y = std::fmaf(m.mins[at], group.sums[part], y);
      }
  }
  if (rounding == Rounding::int8)
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
