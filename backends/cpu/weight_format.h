// SPDX-License-Identifier: MIT
// How weights are packed: panels of 32 rows, in blocks of 32 rows x 32 columns that a kernel reads front to back.
#ifndef KVASIR_BACKENDS_CPU_WEIGHT_FORMAT_H
#define KVASIR_BACKENDS_CPU_WEIGHT_FORMAT_H

#include "plugins/layout.h"

#include <cstdint>
#include <optional>
#include <string>

namespace kvasir::cpu {

constexpr int64_t kPanelRows = 32;
constexpr int64_t kBlockColumns = 32;

/// What is in a block: for each subgroup 32 scales, then for each 32 mins, then the codes; a multiple of 64 bytes.
/// u4 codes lie as [4 j][32 rows][4 bytes], byte b with column 4j + b in its low nibble and 16 + 4j + b in its high
/// one; u8 and i8 codes as [8 j][32 rows][4 bytes]; bf16 as [16 pairs][32 rows][2]; f16 and f32 as [32][32 rows].
struct WeightFormat {
  ElementType codes = ElementType::u4; ///< u4, u8, i8, bf16, f16 or f32
  int64_t zero = 0;
  int64_t group = 0; ///< 16 or 32 columns that share a scale; 0 where there are no scales
  ElementType scale = ElementType::f16;
  std::optional<ElementType> min;

  bool isGrouped() const { return group != 0; }
  int64_t subgroups() const { return isGrouped() ? kBlockColumns / group : 0; }
  int64_t scaleAt(int64_t subgroup) const;
  int64_t minAt(int64_t subgroup) const;
  int64_t codesAt() const;
  int64_t blockBytes() const;

  /// A word for the names of kernels: equal words, equal blocks.
  std::string name() const;

  /// The layout of a matrix [rows, columns], rows padded to a multiple of 32. columns is a multiple of 32.
  Layout layout(int64_t rows, int64_t columns) const;

  bool operator==(const WeightFormat &) const = default;
};

/// What kernels don't read: rows one behind the other, plane by plane. Codes of fewer than eight bits take a byte.
Layout rowMajorLayout(const WeightFormat &format, int64_t rows, int64_t columns);

} // namespace kvasir::cpu

#endif
