// SPDX-License-Identifier: MIT
// What the kernels compute, one number at a time.
#ifndef KVASIR_BACKENDS_CPU_TESTS_REFERENCE_H
#define KVASIR_BACKENDS_CPU_TESTS_REFERENCE_H

#include "backends/cpu/activations.h"
#include "compiler/packing/weight_planes.h"

#include <random>
#include <vector>

namespace kvasir::cpu {

/// A random matrix, unpacked and packed.
struct Matrix {
  WeightFormat format;
  int64_t rows, columns;
  std::vector<float> values;       ///< plain weights [rows][columns]
  std::vector<int32_t> numbers;    ///< what lies packed for each code, [rows][columns]
  std::vector<int32_t> codes;      ///< [rows][columns]; of a table what it has for these
  std::vector<float> scales, mins; ///< [rows][columns / group]; with units what these and the multiples make
  std::vector<float> units[2];     ///< of scales and of mins, [rows][columns / 256]
  std::vector<int32_t> multiples[2];
  std::vector<uint8_t> packed; ///< 64-byte aligned from `packedAt` on
  size_t packedAt = 0;

  Matrix(const WeightFormat &format, int64_t rows, int64_t columns, std::mt19937 &random);
  const uint8_t *bytes() const { return packed.data() + packedAt; }

private:
  void fill(std::vector<float> &into, ElementType element, int64_t count, float scale, std::mt19937 &random);
  void fillFactors(bool areMins, std::vector<float> &into, ElementType element, float scale, std::mt19937 &random);
  void put(const Plane &plane, int64_t row, int64_t column, double value, unsigned bits);
  /// What a part has for an element, and of how many columns.
  double valueOf(WeightPart part, int64_t row, int64_t column) const;
  int64_t stepOf(WeightPart part) const;
};

/// Twice the values of e2m1, and those of IQ4, from zero on.
inline constexpr std::array<uint8_t, 16> kE2m1Table = {0, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 24, 24},
                                         kIq4Table = {0,   23,  44,  62,  78,  92,  105, 117,
                                                      128, 140, 152, 165, 180, 196, 216, 240};
inline constexpr WeightFormat kMxfp4{ElementType::u4, 12, 32, ElementType::bf16, {}, kE2m1Table},
    kIq4Nl{ElementType::u4, 127, 32, ElementType::f16, {}, kIq4Table},
    kIq4Xs{ElementType::u4, 127, 32, ElementType::i8, {}, kIq4Table};

float halfToFloat(uint16_t half);
uint16_t floatToHalf(float value);
uint16_t floatToBf16(float value);
float bf16ToFloat(uint16_t value);

/// y [n] of one row of activations, in the order of operations that SPEED asks of every kernel.
std::vector<float> linearOfRow(const Matrix &matrix, const float *row, Activations rounding);

/// The largest difference to a product in double precision that rounding explains, as a share of the row's norm.
std::vector<double> exactLinearOfRow(const Matrix &matrix, const float *row);

} // namespace kvasir::cpu

#endif
