// SPDX-License-Identifier: MIT
// Rows whose elements are moved: other dims of the package's tensor, the same rows.
#include "compiler/models/mil/raised/row_claims.h"

using namespace mlir;

namespace kvasir::mil {

using coreml::Operand;
using coreml::Operation;

namespace {
using Shape = RowMatcher::Shape;

/// The axes of an element in the order of the package's dims, and their extents.
SmallVector<RowAxis> axesOf(const RowDims &dims) {
  SmallVector<RowAxis> axes;
  for (const auto &dim : dims)
    llvm::append_range(axes, dim);
  return axes;
}

CallSum extentOf(const RowMatcher &matcher, const Shape &shape, RowAxis axis) {
  return axis == RowAxis::token  ? matcher.plan.count
         : axis == RowAxis::head ? CallSum{std::max<int64_t>(shape.heads, 1), {}}
                                 : CallSum{shape.width, {}};
}

std::optional<Shape> transposed(const RowMatcher &matcher, const Operation &operation, const Shape &shape) {
  const std::optional<std::vector<int64_t>> perm = matcher.numbers.integers(operation.find("perm"));
  if (!perm || perm->size() != shape.dims.size())
    return std::nullopt;
  Shape next = shape;
  for (auto [i, from] : llvm::enumerate(*perm))
    next.dims[i] = shape.dims[from < 0 ? from + int64_t(perm->size()) : from];
  return next;
}

/// One dim of `extent` from the front of `axes`: one axis, or head and lane as one.
std::optional<SmallVector<RowAxis, 2>> take(const RowMatcher &matcher, const Shape &shape, SmallVector<RowAxis> &axes,
                                            const CallSum &extent) {
  if (axes.empty())
    return extent == CallSum{1, {}} ? std::optional(SmallVector<RowAxis, 2>()) : std::nullopt;
  if (extent == extentOf(matcher, shape, axes[0])) {
    SmallVector<RowAxis, 2> dim{axes[0]};
    axes.erase(axes.begin());
    return dim;
  }
  if (extent == CallSum{1, {}})
    return SmallVector<RowAxis, 2>();
  if (axes.size() < 2 || axes[0] != RowAxis::head || axes[1] != RowAxis::lane ||
      extent != CallSum{shape.heads * shape.width, {}})
    return std::nullopt;
  axes.erase(axes.begin(), axes.begin() + 2);
  return SmallVector<RowAxis, 2>{RowAxis::head, RowAxis::lane};
}

/// Heads that [.., E] is split into by [.., H, D].
int64_t splitHeads(const Shape &shape, const CallSums &after) {
  if (shape.heads || after.size() < 2 || !after.back().isConstant() || !after[after.size() - 2].isConstant())
    return shape.heads;
  const int64_t heads = after[after.size() - 2].constant, width = after.back().constant;
  return width > 0 && width < shape.width && heads * width == shape.width ? heads : 0;
}

std::optional<Shape> reshaped(const RowMatcher &matcher, const Operation &operation, const Shape &shape) {
  const std::optional<CallSums> after = matcher.numbers.extents(operation.outputs.front());
  if (!after)
    return std::nullopt;
  Shape next{{}, splitHeads(shape, *after), shape.width};
  SmallVector<RowAxis> axes = axesOf(shape.dims);
  if (next.heads != shape.heads) { // what was a lane is a head and a lane of it
    next.width = shape.width / next.heads;
    axes.insert(llvm::find(axes, RowAxis::lane), RowAxis::head);
  }
  for (const CallSum &extent : *after) {
    auto dim = take(matcher, next, axes, extent);
    if (!dim)
      return std::nullopt;
    next.dims.push_back(std::move(*dim));
  }
  return axes.empty() ? std::optional(next) : std::nullopt;
}
} // namespace

/// cast between floats, identity, reshape, transpose, and dims of extent 1. Nothing for rows that nobody knows as such.
std::optional<RowClaim> matchMove(const RowMatcher &matcher, const Operation &operation) {
  const Operand *x = operation.find("x");
  const Shape *shape = matcher.shapeOf(x);
  if (!shape)
    return std::nullopt;
  const coreml::Element element = matcher.numbers.function.values[operation.outputs.front()].type.tensor.element;
  if (element != coreml::Element::f16 && element != coreml::Element::f32)
    return std::nullopt;
  const bool isSame = operation.type == "cast" || operation.type == "identity";
  const std::optional<Shape> next = isSame                          ? *shape
                                    : operation.type == "transpose" ? transposed(matcher, operation, *shape)
                                                                    : reshaped(matcher, operation, *shape);
  if (!next)
    return std::nullopt;
  RowClaim claim{{*x}, next->dims, next->heads, next->width, {}};
  claim.emit = [x = *x, heads = next->heads, before = *shape](RowEmitter &e) -> Value {
    Value rows = e.rows.rowsOf(x, before.dims, before.heads, before.width);
    return rows && heads ? e.rows.split(rows, heads) : rows;
  };
  return claim;
}

} // namespace kvasir::mil
