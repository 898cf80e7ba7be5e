// SPDX-License-Identifier: MIT
// Which rows of a state a call writes, seen from outside.
#ifndef KVASIR_RUNTIME_IMPORTED_ROW_MAP_H
#define KVASIR_RUNTIME_IMPORTED_ROW_MAP_H

#include "runtime/imported/tensor.h"

#include <optional>
#include <span>

namespace kvasir::imported {

/// How a state holds rows: one a token along one axis, in slabs along others (layers, heads, sequences). The rest of
/// the axes are a row's elements.
struct RowAxes {
  size_t token = 0;
  std::vector<size_t> slabs; ///< of more than one index; ascending

  bool operator==(const RowAxes &) const = default;
};

/// Where the elements of rows lie. Slabs are numbered row-major over their axes.
class Rows {
public:
  /// The axes are of `dims`. Axes of one index that are listed as slabs are none.
  Rows(const std::vector<uint64_t> &dims, RowAxes axes);

  uint64_t numSlabs() const { return slabOffsets.size(); }
  uint64_t numRows() const { return tokenExtent; }
  uint64_t rowElements() const { return elementOffsets.size(); }
  uint64_t offset(uint64_t slab, uint64_t row, uint64_t element) const {
    return slabOffsets[slab] + row * tokenStride + elementOffsets[element];
  }

  /// Do a row's elements lie side by side?
  bool isDense() const { return elementOffsets.back() + 1 == elementOffsets.size(); }

  /// The index along each slab axis: [1, 0]; empty if there is one slab.
  std::vector<uint64_t> indexOf(uint64_t slab) const;
  /// The other way; nothing if there is no such slab.
  std::optional<uint64_t> slabOf(const std::vector<uint64_t> &index) const;

private:
  std::vector<uint64_t> slabExtents, slabOffsets, elementOffsets;
  uint64_t tokenExtent, tokenStride;
};

/// The tensor with the first `count` rows only; all of it if it has no more.
Tensor firstRows(const Tensor &state, size_t tokenAxis, uint64_t count);

/// What a call did to one slab.
struct SlabRows {
  std::vector<uint64_t> written; ///< ascending; all elements are new
  std::vector<uint64_t> partial; ///< some are new, some as before
  std::vector<uint64_t> moved;   ///< these hold what was in other rows before, all equally far away
  int64_t movedFrom = 0;         ///< how far: row r holds what was in row r + movedFrom
};

/// Numbers that tell the elements of a state apart, small and finite; another seed, modulo 251, gives another number in
/// every element.
Tensor fill(const Tensor &like, uint64_t seed);

/// What that is in one element.
double fillNumber(ElementType element, uint64_t index, uint64_t seed);

/// One run of a call on a filled state.
struct FilledRun {
  const Tensor &before, &after;
};

/// An element that holds what it held in both runs was not written; what is new in either was. By slab.
std::vector<SlabRows> rowMap(const FilledRun &first, const FilledRun &second, const RowAxes &axes);

/// "[0, 8)", "[0, 4), [6, 7)"; "[]" if there are none.
std::string rangesText(const std::vector<uint64_t> &rows);

} // namespace kvasir::imported

#endif
