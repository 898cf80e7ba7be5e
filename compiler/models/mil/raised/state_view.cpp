// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/state_view.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using Dim = SmallVector<Digit, 2>;
using Moved = std::optional<StateView>;

/// One move of one op.
class Move {
public:
  Move(const StateView &view, const coreml::Operation &operation, const KnownNumbers &numbers)
      : view(view), operation(operation), numbers(numbers), before(numbers.extents(operation.find("x"))),
        after(numbers.extents(operation.outputs.front())) {}

  Moved same() const { return view; }
  Moved cast() const;
  Moved expandDims() const;
  Moved squeeze() const;
  Moved transpose() const;
  Moved slice() const;
  Moved tile() const;
  Moved reshape() const;

private:
  int64_t axis(int64_t number, int64_t rank) const { return number < 0 ? number + rank : number; }
  bool narrow(StateView &next, size_t dim, const DimSlice &slice) const;
  std::optional<Dim> take(SmallVector<Digit> &left, const CallSum &extent) const;

  const StateView &view;
  const coreml::Operation &operation;
  const KnownNumbers &numbers;
  std::optional<CallSums> before, after;
};

/// Wider floats hold the same numbers.
Moved Move::cast() const {
  const coreml::Element element = numbers.function.values[operation.outputs.front()].type.tensor.element;
  return element == coreml::Element::f32 || element == coreml::Element::f16 ? Moved(view) : std::nullopt;
}

Moved Move::expandDims() const {
  const std::optional<std::vector<int64_t>> axes = numbers.integers(operation.find("axes"));
  if (!axes)
    return std::nullopt;
  StateView next = view;
  next.dims.clear();
  const int64_t rank = int64_t(view.dims.size() + axes->size());
  auto from = view.dims.begin();
  for (int64_t i = 0; i < rank; ++i) {
    const bool isNew = llvm::any_of(*axes, [&](int64_t number) { return axis(number, rank) == i; });
    next.dims.push_back(isNew || from == view.dims.end() ? Dim() : *from++);
  }
  return next;
}

Moved Move::squeeze() const {
  const std::optional<std::vector<int64_t>> axes = numbers.integers(operation.find("axes"));
  if (operation.find("axes") && !axes)
    return std::nullopt;
  StateView next = view;
  next.dims.clear();
  const int64_t rank = int64_t(view.dims.size());
  for (int64_t i = 0; i < rank; ++i)
    if (axes ? llvm::none_of(*axes, [&](int64_t number) { return axis(number, rank) == i; }) : !view.dims[i].empty())
      next.dims.push_back(view.dims[i]);
  return next;
}

Moved Move::transpose() const {
  const std::optional<std::vector<int64_t>> perm = numbers.integers(operation.find("perm"));
  if (!perm || perm->size() != view.dims.size())
    return std::nullopt;
  StateView next = view;
  for (auto [i, from] : llvm::enumerate(*perm))
    next.dims[i] = view.dims[axis(from, int64_t(perm->size()))];
  return next;
}

/// One index of a dim, or the first rows of an axis.
bool Move::narrow(StateView &next, size_t dim, const DimSlice &slice) const {
  Dim &digits = next.dims[dim];
  if (slice.isWhole && !slice.isDropped)
    return true;
  if (slice.begin.isConstant() && slice.count() == CallSum{1, {}}) {
    int64_t index = slice.begin.constant;
    for (const Digit &digit : llvm::reverse(digits)) {
      if (digit.extent == kOpenRows || (digit.axis == kRepeated))
        return false;
      next.fixed[digit.axis] += index % digit.extent * digit.stride;
      index /= digit.extent;
    }
    digits.clear();
    return true;
  }
  if (slice.begin != CallSum{} || digits.size() != 1 || digits[0].axis == kRepeated || digits[0].stride != 1 ||
      (next.rowAxis >= 0 && next.rowAxis != digits[0].axis))
    return false;
  next.rowAxis = digits[0].axis;
  next.numRows = slice.end;
  digits[0].extent = kOpenRows;
  return true;
}

Moved Move::slice() const {
  const auto slices = before ? numbers.slices(operation, *before) : std::nullopt;
  if (!slices || slices->size() != view.dims.size())
    return std::nullopt;
  StateView next = view;
  for (auto [i, slice] : llvm::enumerate(*slices))
    if (!narrow(next, i, slice))
      return std::nullopt;
  std::vector<Dim> kept;
  for (auto [dim, slice] : llvm::zip_equal(next.dims, *slices))
    if (!slice.isDropped)
      kept.push_back(dim);
  next.dims = std::move(kept);
  return next;
}

/// What has an extent of 1 may be repeated.
Moved Move::tile() const {
  if (!before || !after || after->size() != before->size())
    return std::nullopt;
  StateView next = view;
  for (size_t i = 0; i < next.dims.size(); ++i) {
    if ((*before)[i] == (*after)[i])
      continue;
    if (!next.dims[i].empty() || !(*after)[i].isConstant())
      return std::nullopt;
    next.dims[i].push_back({kRepeated, (*after)[i].constant, 0});
  }
  return next;
}

/// The digits of a dim of that extent, from the front of those that are left. A digit may be split.
std::optional<Dim> Move::take(SmallVector<Digit> &left, const CallSum &extent) const {
  Dim dim;
  if (!extent.isConstant()) {
    if (left.empty() || left.front().extent != kOpenRows || view.numRows != extent)
      return std::nullopt;
    dim.push_back(left.front());
    left.erase(left.begin());
    return dim;
  }
  for (int64_t wanted = extent.constant; wanted != 1;) {
    if (left.empty() || wanted < 1)
      return std::nullopt;
    Digit &first = left.front();
    const bool isSame = first.extent == kOpenRows && view.numRows == CallSum{wanted, {}};
    if (isSame || (first.extent > 0 && wanted % first.extent == 0)) {
      wanted /= isSame ? wanted : first.extent;
      dim.push_back(first);
      left.erase(left.begin());
      continue;
    }
    if (first.extent <= 0 || first.extent % wanted != 0)
      return std::nullopt;
    const int64_t rest = first.extent / wanted;
    dim.push_back({first.axis, wanted, first.stride * rest});
    first.extent = rest;
    wanted = 1;
  }
  return dim;
}

Moved Move::reshape() const {
  if (!after)
    return std::nullopt;
  StateView next = view;
  next.dims.clear();
  SmallVector<Digit> left = view.digits();
  for (const CallSum &extent : *after) {
    std::optional<Dim> dim = take(left, extent);
    if (!dim)
      return std::nullopt;
    next.dims.push_back(std::move(*dim));
  }
  return left.empty() ? Moved(next) : std::nullopt;
}

struct MoveEntry {
  std::string_view type;
  Moved (Move::*move)() const;
};

constexpr MoveEntry kMoves[] = {
    {"cast", &Move::cast},       {"expand_dims", &Move::expandDims}, {"identity", &Move::same},
    {"reshape", &Move::reshape}, {"slice_by_index", &Move::slice},   {"squeeze", &Move::squeeze},
    {"tile", &Move::tile},       {"transpose", &Move::transpose}};
} // namespace

SmallVector<Digit> StateView::digits() const {
  SmallVector<Digit> all;
  for (const Dim &dim : dims)
    llvm::append_range(all, dim);
  return all;
}

StateView wholeView(coreml::ValueId state, uint32_t numWrites, ArrayRef<int64_t> shape) {
  StateView view{state, numWrites, {}, SmallVector<int64_t>(shape.size()), -1, {}};
  for (auto [axis, extent] : llvm::enumerate(shape))
    view.dims.push_back(extent == 1 ? Dim() : Dim{{int64_t(axis), extent, 1}});
  return view;
}

std::optional<StateView> moved(const StateView &view, const coreml::Operation &operation, const KnownNumbers &numbers) {
  const auto *entry = llvm::find_if(kMoves, [&](const MoveEntry &known) { return known.type == operation.type; });
  if (entry == std::end(kMoves) || operation.outputs.empty())
    return std::nullopt;
  return (Move(view, operation, numbers).*entry->move)();
}

} // namespace kvasir::mil
