// SPDX-License-Identifier: MIT
// The normal form that the weights of every file format are brought to, without loss, before anything else sees them.
#ifndef KVASIR_PACKING_WEIGHT_FORM_H
#define KVASIR_PACKING_WEIGHT_FORM_H

#include "plugins/layout.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvasir {

/// Columns that share a unit of scales and of mins, where scales are multiples of units.
inline constexpr uint64_t kSuperblock = 256;

/// What the type !lm.weight says besides the shape. With a group, each run of `group` elements of a row has a scale and
/// perhaps a min: value = scale * (code - zero) + min, in f32. Without, the codes are the values. In two levels, scales
/// (and mins) are whole multiples, which i8 holds, of a unit in f16 that the columns of a superblock of a row share:
/// unit * multiple, which is exact in f32.
struct WeightForm {
  ElementType codes = ElementType::f32; ///< f32, f16, bf16 without a group; i8, u2 to u6 with one
  uint32_t group = 0;                   ///< 0: no groups
  ElementType scale = ElementType::f32; ///< f16, bf16 or f32; i8 in two levels; f32 without a group
  std::optional<ElementType> min = {};  ///< f16 or f32; i8 in two levels
  int32_t zero = 0;                     ///< 0 for i8
  /// Ascending: codes of i8 that are none but these, which four bits can tell.
  std::optional<std::array<int8_t, 16>> values = {};

  bool hasUnits() const { return group != 0 && scale == ElementType::i8; }

  bool operator==(const WeightForm &) const = default;
};

/// "u4 in groups of 32, scale f16, min f16, zero 8"; for messages.
std::string describe(const WeightForm &form);

/// Bytes of one code in a WeightRow: codes narrower than a byte have one each.
inline uint64_t codeBytes(const WeightForm &form) { return (elementBits(form.codes) + 7) / 8; }

/// Memory for one row in normal form. Codes are unsigned bytes, signed bytes (i8) or the bytes of a float; scales and
/// mins are the bytes of their types, one for each group; units the bytes of f16, one for each superblock.
class WeightRow {
public:
  /// `columns` is a multiple of the group.
  WeightRow(const WeightForm &form, uint64_t columns);

  uint8_t *codes() { return codeStore.data(); }
  uint8_t *scales() { return scaleStore.data(); }
  uint8_t *mins() { return minStore.data(); }
  uint8_t *units() { return unitStore.data(); }
  uint8_t *minUnits() { return minUnitStore.data(); }
  const uint8_t *codes() const { return codeStore.data(); }
  const uint8_t *scales() const { return scaleStore.data(); }
  const uint8_t *mins() const { return minStore.data(); }
  const uint8_t *units() const { return unitStore.data(); }
  const uint8_t *minUnits() const { return minUnitStore.data(); }
  /// Codes, scales, mins, units, units of mins; empty where the form has none.
  std::array<std::span<uint8_t>, 5> arrays() { return {codeStore, scaleStore, minStore, unitStore, minUnitStore}; }
  /// Of group `group`.
  float scale(uint64_t group) const;
  float min(uint64_t group) const; ///< 0 if the form has none
  uint64_t columns() const { return numColumns; }
  const WeightForm &form() const { return rowForm; }

private:
  WeightForm rowForm;
  uint64_t numColumns;
  std::vector<uint8_t> codeStore, scaleStore, minStore, unitStore, minUnitStore;
};

/// The form that holds all that either holds, without loss: two levels if both have them. Where one has groups and the
/// other has none, f32 values: the values that the formula gives in f32.
WeightForm joinForms(const WeightForm &a, const WeightForm &b);

/// The same row in another form, one that joinForms made of `from`'s and any other.
void convertRow(const WeightRow &from, WeightRow &to);

/// The values of a row, each rounded as the formula says: product, then sum, both in f32.
void dequantise(const WeightRow &row, float *values);

/// The number at `index` of an array of `type` (f32, f16, bf16, i8).
float floatAt(ElementType type, const uint8_t *elements, uint64_t index);

/// Stores `value`, rounded to `type` (f32, f16, bf16).
void setFloatAt(ElementType type, uint8_t *elements, uint64_t index, float value);

} // namespace kvasir

#endif
