// SPDX-License-Identifier: MIT
#include "runtime/imported/row_map.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace kvasir::imported {
namespace {

/// All offsets over some axes, row-major.
std::vector<uint64_t> offsetsOver(const std::vector<uint64_t> &extents, const std::vector<uint64_t> &strides) {
  std::vector<uint64_t> offsets = {0};
  for (size_t axis = 0; axis < extents.size(); ++axis) {
    std::vector<uint64_t> next;
    for (const uint64_t offset : offsets)
      for (uint64_t i = 0; i < extents[axis]; ++i)
        next.push_back(offset + i * strides[axis]);
    offsets = std::move(next);
  }
  return offsets;
}

/// Spreads the bits of a number over a word. Source: splitmix64.
uint64_t scatter(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

constexpr uint64_t kPrime = 251;

/// A number below kPrime for each element. Seeds times a step that is not 0 differ in every element, so what a call
/// stores can't equal both fills.
uint64_t residue(uint64_t index, uint64_t seed) {
  const uint64_t bits = scatter(index), step = 1 + (bits >> 32) % (kPrime - 1);
  return (bits % kPrime + seed % kPrime * step) % kPrime;
}

double numberOf(ElementType element, uint64_t residue) {
  const int64_t number = int64_t(residue) - (element == ElementType::u8 ? 0 : 125);
  return isFloat(element) ? static_cast<double>(2 * number + 1) / 128 : static_cast<double>(number);
}

/// Compares rows of the states before and after a call, in both runs at once.
class RowComparison {
public:
  RowComparison(const FilledRun &first, const FilledRun &second, const Rows &rows)
      : runs{first, second}, rows(rows), sizeBytes(first.before.elementBytes()) {}

  /// For each row of a slab, how many elements are what they were.
  std::vector<uint64_t> numKept(uint64_t slab) const {
    std::vector<uint64_t> counts(rows.numRows());
    const auto count = [&](uint64_t row, uint64_t element) {
      counts[row] += isKept(rows.offset(slab, row, element), rows.offset(slab, row, element), 1);
    };
    if (!rows.isDense()) // element by element through all rows, which may be side by side
      for (uint64_t element = 0; element < rows.rowElements(); ++element)
        for (uint64_t row = 0; row < rows.numRows(); ++row)
          count(row, element);
    for (uint64_t row = 0; rows.isDense() && row < rows.numRows(); ++row)
      if (isEqual(slab, row, 0))
        counts[row] = rows.rowElements();
      else
        for (uint64_t element = 0; element < rows.rowElements(); ++element)
          count(row, element);
    return counts;
  }

  /// Is a row what was `delta` rows further on?
  bool isEqual(uint64_t slab, uint64_t row, int64_t delta) const {
    if (rows.isDense())
      return isKept(rows.offset(slab, row, 0), rows.offset(slab, row + delta, 0), rows.rowElements());
    for (uint64_t element = 0; element < rows.rowElements(); ++element)
      if (!isKept(rows.offset(slab, row, element), rows.offset(slab, row + delta, element), 1))
        return false;
    return true;
  }

  /// The distance from which one of `candidates` comes; nothing if none does. Those at either end are tried: what moves
  /// is all but one end.
  std::optional<int64_t> findMove(uint64_t slab, const std::vector<uint64_t> &candidates) const {
    constexpr size_t kTried = 8;
    for (size_t i = 0; i < std::min(candidates.size(), kTried); ++i)
      for (uint64_t row = candidates[i % 2 ? candidates.size() - 1 - i / 2 : i / 2], from = 0; from < rows.numRows();
           ++from)
        if (from != row && isEqual(slab, row, int64_t(from) - int64_t(row)))
          return int64_t(from) - int64_t(row);
    return std::nullopt;
  }

private:
  /// Do `count` elements hold what others did?
  bool isKept(uint64_t to, uint64_t from, uint64_t count) const {
    const auto isSame = [&](const FilledRun &run) {
      const uint8_t *after = &run.after.bytes[to * sizeBytes], *before = &run.before.bytes[from * sizeBytes];
      return count == 1 && sizeBytes == 2 ? after[0] == before[0] && after[1] == before[1]
                                          : std::memcmp(after, before, count * sizeBytes) == 0;
    };
    return isSame(runs[0]) && isSame(runs[1]);
  }

  const FilledRun runs[2];
  const Rows &rows;
  const size_t sizeBytes;
};

void separateMoved(const RowComparison &comparison, uint64_t slab, const Rows &rows, SlabRows &found) {
  const auto delta = comparison.findMove(slab, found.written);
  if (!delta)
    return;
  found.movedFrom = *delta;
  std::erase_if(found.written, [&](uint64_t row) {
    const int64_t from = int64_t(row) + *delta;
    const bool isMoved = from >= 0 && from < int64_t(rows.numRows()) && comparison.isEqual(slab, row, *delta);
    if (isMoved)
      found.moved.push_back(row);
    return isMoved;
  });
}

} // namespace

Rows::Rows(const std::vector<uint64_t> &dims, RowAxes axes) {
  std::vector<uint64_t> strides(dims.size(), 1), slabStrides, elementExtents, elementStrides;
  for (size_t axis = dims.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * dims[axis];
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    const bool isSlab = dims[axis] > 1 && std::ranges::find(axes.slabs, axis) != axes.slabs.end();
    if (axis == axes.token)
      continue;
    (isSlab ? slabExtents : elementExtents).push_back(dims[axis]);
    (isSlab ? slabStrides : elementStrides).push_back(strides[axis]);
  }
  tokenExtent = dims[axes.token];
  tokenStride = strides[axes.token];
  slabOffsets = offsetsOver(slabExtents, slabStrides);
  elementOffsets = offsetsOver(elementExtents, elementStrides);
}

std::vector<uint64_t> Rows::indexOf(uint64_t slab) const {
  std::vector<uint64_t> index(slabExtents.size());
  for (size_t axis = slabExtents.size(); axis-- > 0; slab /= slabExtents[axis])
    index[axis] = slab % slabExtents[axis];
  return index;
}

std::optional<uint64_t> Rows::slabOf(const std::vector<uint64_t> &index) const {
  uint64_t slab = 0;
  for (size_t axis = 0; axis < index.size(); ++axis) {
    if (axis >= slabExtents.size() || index[axis] >= slabExtents[axis])
      return std::nullopt;
    slab = slab * slabExtents[axis] + index[axis];
  }
  return index.size() == slabExtents.size() ? std::optional(slab) : std::nullopt;
}

Tensor firstRows(const Tensor &state, size_t tokenAxis, uint64_t count) {
  if (count >= state.dims[tokenAxis])
    return state;
  uint64_t rowBytes = state.elementBytes();
  for (size_t axis = tokenAxis + 1; axis < state.dims.size(); ++axis)
    rowBytes *= state.dims[axis];
  const uint64_t stepBytes = rowBytes * state.dims[tokenAxis];
  Tensor first = state;
  first.dims[tokenAxis] = count;
  first.bytes.clear();
  for (uint64_t at = 0; at < state.bytes.size(); at += stepBytes)
    first.bytes.insert(first.bytes.end(), state.bytes.begin() + at, state.bytes.begin() + at + count * rowBytes);
  return first;
}

Tensor fill(const Tensor &like, uint64_t seed) {
  Tensor numbers = Tensor::make(like.element, {kPrime}), filled = Tensor::make(like.element, like.dims);
  for (uint64_t i = 0; i < kPrime; ++i)
    numbers.set(i, numberOf(like.element, i));
  const size_t sizeBytes = like.elementBytes();
  for (uint64_t i = 0; i < filled.numElements(); ++i)
    std::memcpy(&filled.bytes[i * sizeBytes], &numbers.bytes[residue(i, seed) * sizeBytes], sizeBytes);
  return filled;
}

double fillNumber(ElementType element, uint64_t index, uint64_t seed) {
  return numberOf(element, residue(index, seed));
}

std::vector<SlabRows> rowMap(const FilledRun &first, const FilledRun &second, const RowAxes &axes) {
  const Rows rows(first.before.dims, axes);
  const RowComparison comparison(first, second, rows);
  std::vector<SlabRows> slabs(rows.numSlabs());
  for (uint64_t slab = 0; slab < slabs.size(); ++slab) {
    const std::vector<uint64_t> numKept = comparison.numKept(slab);
    for (uint64_t row = 0; row < rows.numRows(); ++row)
      if (numKept[row] == 0)
        slabs[slab].written.push_back(row);
      else if (numKept[row] < rows.rowElements())
        slabs[slab].partial.push_back(row);
    separateMoved(comparison, slab, rows, slabs[slab]);
  }
  return slabs;
}

std::string rangesText(const std::vector<uint64_t> &rows) {
  std::string text;
  for (size_t first = 0, last; first < rows.size(); first = last) {
    for (last = first + 1; last < rows.size() && rows[last] == rows[last - 1] + 1;)
      ++last;
    text +=
        (text.empty() ? "[" : ", [") + std::to_string(rows[first]) + ", " + std::to_string(rows[last - 1] + 1) + ")";
  }
  return text.empty() ? "[]" : text;
}

} // namespace kvasir::imported
