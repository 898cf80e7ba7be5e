// SPDX-License-Identifier: MIT
// How weights are packed: panels of 32 rows, in blocks of 32 rows x 32 columns that a kernel reads front to back.
#ifndef KVASIR_BACKENDS_CPU_WEIGHT_FORMAT_H
#define KVASIR_BACKENDS_CPU_WEIGHT_FORMAT_H

#include "compiler/packing/weight_form.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace kvasir::cpu {

constexpr int64_t kPanelRows = 32;
constexpr int64_t kBlockColumns = 32;
constexpr int64_t kSuperblockColumns = kvasir::kSuperblock;

/// What is in a block: for each subgroup 32 scales, then for each 32 mins, then the codes. u4 codes lie as [4 j][32
/// rows][4 bytes], byte b with column 4j + b in its low nibble and 16 + 4j + b in its high one; so do the low bits of
/// u5 and u6. u2 codes and the low bits of u3 lie as [2][32 rows][4 bytes], byte b with the columns 4j + b of half of
/// the block, j = 0 to 3 from its lowest bits on. The high bits lie behind the low ones: two of each code like u2; one
/// as [32 rows][4 bytes], byte b with the columns 4j + b, j = 0 to 7. u8 and i8 codes lie as [8 j][32 rows][4 bytes];
/// bf16 as [16 pairs][32 rows][2]; f16 and f32 as [32][32 rows].
///
/// With a table u4 is the number of a code in it.
///
/// Scales and mins of i8 are multiples of units in f16: before each eight blocks lie 32 for scales, then 32 for mins.
struct WeightFormat {
  ElementType codes = ElementType::u4; ///< u2 to u6, u8, i8, bf16, f16 or f32
  int64_t zero = 0;
  int64_t group = 0; ///< 16 or 32 columns that share a scale; 0 where there are no scales
  ElementType scale = ElementType::f16;
  std::optional<ElementType> min;
  std::optional<std::array<uint8_t, 16>> table = {}; ///< codes that u4 stands for, ascending

  bool isGrouped() const { return group != 0; }
  bool hasUnits() const { return scale == ElementType::i8; }
  int64_t subgroups() const { return isGrouped() ? kBlockColumns / group : 0; }

  /// Whether a byte holds more than one code.
  bool isPacked() const { return elementBits(codes) < 8; }
  /// Of packed codes, bits in the first plane, and those in the second.
  int64_t lowBits() const { return elementBits(codes) < 4 ? 2 : 4; }
  int64_t highBits() const { return isPacked() ? elementBits(codes) - lowBits() : 0; }

  /// Whether codes are narrow enough for dots of bytes that are summed in 16 bits.
  bool isNarrow() const { return isPacked() && std::max(centre(), largest() - centre()) <= (group == 16 ? 32 : 16); }
  /// The largest code.
  int64_t largest() const { return table ? table->back() : (int64_t(1) << elementBits(codes)) - 1; }
  /// What dots take from codes: their zero; of u5 and u6 half of their range, whatever their zero.
  int64_t centre() const { return isPacked() && elementBits(codes) > 4 ? 8 << highBits() : zero; }

  int64_t scaleAt(int64_t subgroup) const;
  int64_t minAt(int64_t subgroup) const;
  int64_t codesAt() const;
  int64_t highAt() const;
  int64_t blockBytes() const;
  int64_t unitBytes() const { return hasUnits() ? kPanelRows * (min ? 4 : 2) : 0; } ///< of eight blocks
  int64_t panelBytes(int64_t columns) const;

  /// A word for the names of kernels: equal words, equal blocks.
  std::string name() const;

  /// The layout of a matrix [rows, columns], rows padded to a multiple of 32. columns is a multiple of 32, with units
  /// of 256.
  Layout layout(int64_t rows, int64_t columns) const;

  bool operator==(const WeightFormat &) const = default;
};

/// What kernels don't read: rows one behind the other, plane by plane. Codes of fewer than eight bits take a byte.
Layout rowMajorLayout(const WeightFormat &format, int64_t rows, int64_t columns);

} // namespace kvasir::cpu

#endif
