// SPDX-License-Identifier: MIT
// Layouts as data: how the elements of a weight or of a slot lie in memory.
#ifndef KVASIR_PLUGINS_LAYOUT_H
#define KVASIR_PLUGINS_LAYOUT_H

#include "plugins/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

/// What an index of a layout counts. Weights have rows (N, the output) and columns (K, the input) and, in a family,
/// layers. Caches have layers, heads, tokens (within a block of 128) and lanes (0..D-1).
enum class Axis : uint8_t { layer, row, column, head, token, lane };
inline constexpr unsigned kNumAxes = 6;

/// One digit of the mixed-radix representation of an index. The digits of an axis are listed least significant first;
/// the product of their extents is the axis's extent (padded extents are allowed: they are at least the axis's).
struct Digit {
  Axis axis;
  uint64_t extent;
  uint64_t strideBits;

  bool operator==(const Digit &) const = default;
};

/// What a plane holds. value = scale * (code - zero) + min for grouped codes, or the value itself.
enum class PlaneRole : uint8_t { value, code, scale, min };

/// Numbers that the runtime's border has, too (kvasir.h): new ones come last.
enum class ElementType : uint8_t { f32, f16, bf16, i8, u8, u4, u5, u6, i32, i64, f64, u2, u3 };

/// Elements of one role. The element at indices i lies at bit offsetBits + sum over digits of digit(i) * strideBits.
/// A plane of scales has digits of `column` whose lowest digit has stride 0 and the group's extent.
struct Plane {
  PlaneRole role;
  ElementType element;
  uint64_t offsetBits;
  std::vector<Digit> digits;

  bool operator==(const Plane &) const = default;
};

/// A layout covers one unit: all layers of a weight family, or one block (128 tokens, all layers) of a cache.
struct Layout {
  uint64_t sizeBytes = 0;
  std::vector<Plane> planes;

  bool operator==(const Layout &) const = default;
};

/// Bits of one element of `type`.
unsigned elementBits(ElementType type);

/// f64, too, which no weight and no row is stored in.
bool isFloat(ElementType type);

/// The names that files and messages use ("f32", "u4"; "column"; "scale"), and back.
const char *elementName(ElementType type);
const char *axisName(Axis axis);
const char *roleName(PlaneRole role);
std::optional<ElementType> elementFromName(std::string_view name);
std::optional<Axis> axisFromName(std::string_view name);
std::optional<PlaneRole> roleFromName(std::string_view name);

/// The extent of an axis in a plane: the product of its digits' extents, 1 if it has none.
uint64_t axisExtent(const Plane &plane, Axis axis);

/// The bit at which the element at `indices` (by Axis; axes that the plane has no digits for are ignored) begins.
/// Each index is below its axis's extent.
uint64_t bitOffset(const Plane &plane, const uint64_t (&indices)[kNumAxes]);

/// Whether every element of every plane lies inside `sizeBytes`, no extent is zero, and no product overflows.
Status checkLayout(const Layout &layout);

/// {"size_bytes": 4096, "planes": [{"role": "code", "element": "u4", "offset_bits": 0,
///                                  "digits": [["row", 32, 128], …]}]}, on one line.
std::string layoutToJson(const Layout &layout);

/// Reads what layoutToJson writes; bytes are hostile. What it returns has passed checkLayout.
Result<Layout> layoutFromJson(std::string_view text);

} // namespace kvasir

#endif
