// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/slab_axes.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

struct NamedDigit {
  Digit digit;
  RowAxis axis;
};

/// The digits of heads and elements, in that order; those of the row axis are not among them.
std::optional<SmallVector<NamedDigit>> digitsOf(const StateView &view, int64_t rowAxis) {
  const size_t rank = view.dims.size();
  if (rank < 2)
    return std::nullopt;
  const auto &rows = view.dims[rank - 2], &elements = view.dims[rank - 1];
  if (rows.size() != 1 || rows[0].axis != rowAxis || rows[0].stride != 1 || elements.size() > 1)
    return std::nullopt;
  SmallVector<NamedDigit> digits;
  bool isRepeated = false;
  for (const auto &dim : ArrayRef(view.dims).drop_back(2))
    for (const Digit &digit : dim) {
      if (isRepeated || (digit.axis != kRepeated && !digits.empty()))
        return std::nullopt;
      isRepeated = digit.axis == kRepeated;
      if (!isRepeated)
        digits.push_back({digit, RowAxis::head});
    }
  if (!elements.empty())
    digits.push_back({elements[0], RowAxis::lane});
  return llvm::all_of(digits, [](const NamedDigit &named) { return named.digit.axis != kRepeated; })
             ? std::optional(digits)
             : std::nullopt;
}

/// What the fixed indices of an axis are, over the layers.
std::optional<std::string> nameOfFixed(ArrayRef<const StateView *> views, int64_t axis, int64_t extent,
                                       bool &hasLayer) {
  const int64_t layers = int64_t(views.size()), first = views.front()->fixed[axis];
  const auto isEach = [&](auto indexOf) {
    for (int64_t layer = 0; layer < layers; ++layer)
      if (views[layer]->fixed[axis] != indexOf(layer))
        return false;
    return true;
  };
  if (isEach([&](int64_t) { return first; }) && (layers > 1 || extent == 1 || hasLayer))
    return std::to_string(first);
  if (hasLayer || extent % layers != 0)
    return layers == 1 ? std::optional(std::to_string(first)) : std::nullopt;
  const int64_t parts = extent / layers;
  hasLayer = true;
  if (parts == 1)
    return isEach([](int64_t layer) { return layer; }) ? std::optional<std::string>("layer") : std::nullopt;
  const std::string inner = std::to_string(first % parts) + "/" + std::to_string(parts);
  if (isEach([&](int64_t layer) { return layer * parts + first % parts; }))
    return "layer " + inner;
  const std::string outer = std::to_string(first / layers) + "/" + std::to_string(parts);
  if (isEach([&](int64_t layer) { return first / layers * layers + layer; }))
    return outer + " layer";
  return std::nullopt;
}

/// The digits of one axis, the most significant first; false unless they make it up.
bool nameDigits(ArrayRef<NamedDigit> digits, int64_t axis, int64_t extent, SlabAxes &axes) {
  SmallVector<NamedDigit> own;
  llvm::copy_if(digits, std::back_inserter(own), [&](const NamedDigit &named) { return named.digit.axis == axis; });
  llvm::sort(own, [](const NamedDigit &a, const NamedDigit &b) { return a.digit.stride > b.digit.stride; });
  for (const NamedDigit &named : own) {
    if (named.digit.extent < 1 || extent != named.digit.extent * named.digit.stride)
      return false;
    extent = named.digit.stride;
    const bool isHead = named.axis == RowAxis::head;
    axes.names[axis] += (axes.names[axis].empty() ? "" : " ") + std::string(isHead ? "head" : "element");
    axes.rows[axis].push_back(named.axis);
    (isHead ? axes.heads : axes.width) = named.digit.extent;
  }
  return extent == 1;
}
} // namespace

std::optional<SlabAxes> slabAxesOf(ArrayRef<const StateView *> views, int64_t rowAxis, ArrayRef<int64_t> shape) {
  const auto digits = digitsOf(*views.front(), rowAxis);
  if (!digits || llvm::any_of(views, [&](const StateView *view) { return view->digits() != views.front()->digits(); }))
    return std::nullopt;
  SlabAxes axes;
  axes.names.resize(shape.size());
  axes.rows.resize(shape.size());
  bool hasLayer = false;
  for (auto [axis, extent] : llvm::enumerate(shape)) {
    const bool hasDigits =
        llvm::any_of(*digits, [axis = axis](const NamedDigit &named) { return named.digit.axis == int64_t(axis); });
    if (int64_t(axis) == rowAxis) {
      axes.names[axis] = "row";
      axes.rows[axis] = {RowAxis::token};
      if (hasDigits)
        return std::nullopt;
    } else if (hasDigits) {
      if (!nameDigits(*digits, int64_t(axis), extent, axes))
        return std::nullopt;
    } else {
      const std::optional<std::string> name = nameOfFixed(views, int64_t(axis), extent, hasLayer);
      if (!name)
        return std::nullopt;
      axes.names[axis] = *name;
    }
  }
  return axes;
}

} // namespace kvasir::mil
