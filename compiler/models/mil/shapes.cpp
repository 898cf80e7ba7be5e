// SPDX-License-Identifier: MIT
// The same elements in another shape or order of dims.
#include "compiler/models/mil/call_sums.h"
#include "compiler/models/mil/families.h"
#include "plugins/address_space.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

/// Where in `dims` element `linear` of the row-major order lies.
SmallVector<Value> indicesAt(Builder &b, Value linear, ArrayRef<Scalar> dims) {
  SmallVector<Value> indices(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    indices[i] = i ? b.create<arith::RemUIOp>(linear, dims[i].value).getResult() : linear;
    linear = b.create<arith::DivUIOp>(linear, dims[i].value);
  }
  return indices;
}

bool isStatic(const Scalar &dim) { return dim.constant().has_value(); }

SmallVector<ReassociationIndices> oneGroup(size_t rank) {
  SmallVector<ReassociationIndices> groups;
  if (rank)
    groups.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, rank)));
  return groups;
}

/// The elements in row-major order, under other extents of as many elements. A view where all are known.
Value reshaped(OpImport &op, const Tensor &x, ArrayRef<Scalar> dims) {
  Value value = op.valueOf(x);
  if (llvm::all_of(dims, isStatic) && llvm::all_of(x.dims, isStatic)) {
    Value flat = value;
    auto type = tensorType(op.b.getContext(), x.element, dims);
    auto line = RankedTensorType::get({type.getNumElements()}, type.getElementType());
    if (x.rank() == 0)
      flat = op.b.create<tensor::ExpandShapeOp>(line, flat, oneGroup(0));
    else if (x.rank() > 1)
      flat = op.b.create<tensor::CollapseShapeOp>(line, flat, oneGroup(x.rank()));
    if (dims.size() == 1)
      return flat;
    return dims.empty() ? op.b.create<tensor::CollapseShapeOp>(type, flat, oneGroup(0)).getResult()
                        : op.b.create<tensor::ExpandShapeOp>(type, flat, oneGroup(dims.size())).getResult();
  }
  return emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    Value linear = b.create<arith::ConstantIndexOp>(0);
    for (auto [index, dim] : llvm::zip_equal(indices, dims))
      linear = b.create<arith::AddIOp>(b.create<arith::MulIOp>(linear, dim.value), index);
    return extract(b, value, indicesAt(b, linear, x.dims));
  });
}

/// A quotient of products of extents, without what is on both sides.
struct Ratio {
  int64_t above = 1, below = 1;
  bool isKnown = true;          ///< no product is beyond 63 bits
  Scalars openAbove, openBelow; ///< extents that only a call knows

  Ratio(ArrayRef<Scalar> dividends, ArrayRef<Scalar> divisors) {
    for (const Scalar &dim : dividends)
      if (dim.constant())
        isKnown &= !__builtin_mul_overflow(above, *dim.constant(), &above);
      else
        openAbove.push_back(dim);
    for (const Scalar &dim : divisors) {
      auto *same = llvm::find_if(openAbove, [&](const Scalar &other) { return areEqual(other.value, dim.value); });
      if (dim.constant())
        isKnown &= !__builtin_mul_overflow(below, *dim.constant(), &below);
      else if (same != openAbove.end())
        openAbove.erase(same);
      else
        openBelow.push_back(dim);
    }
  }

  bool isWhole() const { return isKnown && openBelow.empty() && below && above % below == 0; }
};

Scalar product(ScalarBuilder &s, ArrayRef<Scalar> dims, int64_t factor = 1) {
  Scalar product = s.constant(factor);
  for (const Scalar &dim : dims)
    product = s.multiply(product, dim);
  return product;
}

/// Which dims of `kept` come from `all`, in order, in groups: each kept dim with the dims of extent 1 beside it. Only
/// dims of extent 1 differ between the two.
SmallVector<ReassociationIndices> groupsOf(ArrayRef<bool> isUnit) {
  SmallVector<ReassociationIndices> groups;
  bool hasDim = false;
  for (auto [dim, unit] : llvm::enumerate(isUnit)) {
    if (groups.empty() || (!unit && hasDim)) {
      groups.emplace_back();
      hasDim = false;
    }
    groups.back().push_back(dim);
    hasDim |= !unit;
  }
  return groups;
}

/// `tensor` with dims of extent 1 added or taken away; `isUnit` says which of the longer shape's dims those are.
Value withUnits(OpImport &op, const Tensor &x, ArrayRef<Scalar> dims, ArrayRef<bool> isUnit) {
  Value value = op.valueOf(x);
  auto type = tensorType(op.b.getContext(), x.element, dims);
  const bool isExpansion = dims.size() > x.dims.size();
  if (type == value.getType())
    return value;
  const size_t shorter = isExpansion ? x.dims.size() : dims.size();
  SmallVector<ReassociationIndices> groups = shorter ? groupsOf(isUnit) : SmallVector<ReassociationIndices>();
  if (!isExpansion)
    return op.b.create<tensor::CollapseShapeOp>(type, value, groups);
  SmallVector<OpFoldResult> extents;
  for (const Scalar &dim : dims)
    extents.push_back(dim.constant() ? OpFoldResult(op.b.getIndexAttr(*dim.constant())) : OpFoldResult(dim.value));
  return op.b.create<tensor::ExpandShapeOp>(type, value, groups, extents);
}

Tensor resized(OpImport &op, const Tensor &x, Scalars dims, ArrayRef<bool> isUnit) {
  if (op.isSmall(x) && dims.size() <= 1)
    return op.make(x.element, std::move(dims), op.scalarsOf(x));
  Value value = withUnits(op, x, dims, isUnit);
  return op.make(x.element, std::move(dims), value);
}
} // namespace

void importShape(OpImport &op) {
  Tensor x = op.tensor("x");
  Scalars dims{op.scalars.constant(x.rank())};
  op.set(op.make(Element::i32, dims, Scalars(x.dims)));
}

void importExpandDims(OpImport &op) {
  Tensor x = op.tensor("x");
  SmallVector<int64_t> axes = op.integers("axes");
  const int64_t rank = x.rank() + int64_t(axes.size());
  SmallVector<bool> isUnit(rank);
  for (int64_t axis : axes) {
    bool &unit = isUnit[op.axis(axis, rank)];
    if (unit)
      op.fail("adds a dim twice");
    unit = true;
  }
  if (op.failed())
    return;
  Scalars dims;
  for (size_t i = 0, next = 0; i < isUnit.size(); ++i)
    dims.push_back(isUnit[i] ? op.scalars.constant(1) : x.dims[next++]);
  op.set(resized(op, x, std::move(dims), isUnit));
}

void importSqueeze(OpImport &op) {
  Tensor x = op.tensor("x");
  SmallVector<bool> isUnit(x.rank());
  if (op.has("axes")) {
    for (int64_t axis : op.integers("axes"))
      if (const int64_t at = op.axis(axis, x.rank()); at < x.rank())
        isUnit[at] = true;
  } else {
    for (int64_t i = 0; i < x.rank(); ++i)
      isUnit[i] = x.dims[i].constant() == 1;
  }
  Scalars dims;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (!isUnit[i])
      dims.push_back(x.dims[i]);
    else if (x.dims[i].constant() != 1)
      op.fail("takes dim " + Twine(i) + " away, whose extent is not 1");
  if (!op.failed())
    op.set(resized(op, x, std::move(dims), isUnit));
}

/// Refuses a shape whose product could be right only because it wraps.
void refuseOverflow(OpImport &op, ArrayRef<Scalar> dims) {
  ScalarBuilder &s = op.scalars;
  Scalar product = s.constant(1);
  for (const Scalar &dim : dims) {
    const Scalar room = s.divide(s.constant(kAddressSpaceBytes), s.larger(product, s.constant(1)));
    op.refuseIf(s.compare(arith::CmpIPredicate::sgt, dim, room), "reshapes to more than memory holds");
    product = s.multiply(product, s.smaller(dim, s.constant(kAddressSpaceBytes)));
  }
}

/// The shape that a reshape asks for: 0 keeps the extent at the same place, -1 takes what is left.
Scalars shapeAskedFor(OpImport &op, const Tensor &x) {
  ScalarBuilder &s = op.scalars;
  Scalars dims = op.scalarsOf(op.tensor("shape")), known;
  Scalar *open = nullptr;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (dim.constant() == -1) {
      if (open)
        op.fail("has a shape with two open extents");
      open = &dim;
      continue;
    }
    if (dim.constant() == 0 && int64_t(i) < x.rank())
      dim = x.dims[i];
    dim = s.larger(dim, s.constant(0));
    known.push_back(dim);
  }
  const Ratio ratio(x.dims, known);
  if (open)
    *open = ratio.isWhole() ? product(s, ratio.openAbove, ratio.above / ratio.below)
                            : s.larger(s.divide(product(s, x.dims), product(s, known)), s.constant(0));
  const bool fits = ratio.isWhole() && (open || (ratio.openAbove.empty() && ratio.above == ratio.below));
  if (!fits) {
    refuseOverflow(op, dims);
    op.refuseIf(s.compare(arith::CmpIPredicate::ne, product(s, x.dims), product(s, dims)),
                "reshapes to another number of elements");
  }
  return dims;
}

void importReshape(OpImport &op) {
  Tensor x = op.tensor("x");
  if (!op.isSmall(op.tensor("shape")))
    return op.fail("has a shape that is no list of a few integers");
  Scalars dims = shapeAskedFor(op, x);
  if (op.failed())
    return;
  if (op.isSmall(x) && dims.size() <= 1)
    return op.set(op.make(x.element, dims, op.scalarsOf(x)));
  op.set(op.make(x.element, dims, reshaped(op, x, dims)));
}

void importTranspose(OpImport &op) {
  Tensor x = op.tensor("x");
  SmallVector<int64_t> perm = op.integers("perm");
  if (int64_t(perm.size()) != x.rank())
    return op.fail("has a perm of " + Twine(perm.size()) + " dims for " + Twine(x.rank()));
  Scalars dims;
  SmallVector<int64_t> placeOf(perm.size(), -1);
  for (auto [i, from] : llvm::enumerate(perm)) {
    from = op.axis(from, x.rank());
    placeOf[from] = i;
    dims.push_back(x.dims[from]);
  }
  if (llvm::is_contained(placeOf, -1))
    return op.fail("has a perm that is none");
  if (op.failed())
    return;
  Value value = op.valueOf(x);
  Value moved = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) {
    SmallVector<Value> own;
    for (int64_t place : placeOf)
      own.push_back(indices[place]);
    return extract(b, value, own);
  });
  op.set(op.make(x.element, dims, moved));
}

/// Along the axes, or all, from the last element to the first.
void importReverse(OpImport &op) {
  Tensor x = op.tensor("x");
  SmallVector<bool> isTurned(x.rank(), !op.has("axes"));
  if (op.has("axes"))
    for (int64_t axis : op.integers("axes"))
      if (const int64_t at = op.axis(axis, x.rank()); at < x.rank())
        isTurned[at] = true;
  if (op.failed())
    return;
  Value value = op.valueOf(x);
  Value turned = emitGenerate(op, x.element, x.dims, [&](Builder &b, ValueRange indices) {
    SmallVector<Value> own(indices);
    for (auto [index, dim, isBackward] : llvm::zip_equal(own, x.dims, isTurned))
      if (isBackward) {
        Value last = b.create<arith::SubIOp>(dim.value, b.create<arith::ConstantIndexOp>(1));
        index = b.create<arith::SubIOp>(last, index);
      }
    return extract(b, value, own);
  });
  op.set(op.make(x.element, x.dims, turned));
}

/// As PyTorch's: between channel c f^2 + i f + j at (h, w), and channel c at (h f + i, w f + j).
void importPixelShuffle(OpImport &op) {
  Tensor x = op.tensor("x");
  const bool isShuffle = op.operation.type == "pixel_shuffle";
  const int64_t f = op.integer(isShuffle ? "upscale_factor" : "downscale_factor", 1);
  if (x.rank() != 4 || f < 1 || f > INT16_MAX)
    return op.fail("has other than four dims, or a factor that is none");
  ScalarBuilder &s = op.scalars;
  const Scalar factors[] = {s.constant(f * f), s.constant(f), s.constant(f)};
  Scalars dims{x.dims[0]};
  for (int64_t i = 1; i < 4; ++i) {
    const Scalar &dim = x.dims[i], &factor = factors[i - 1];
    const bool isDivided = isShuffle == (i == 1);
    dims.push_back(isDivided ? s.divide(dim, factor) : s.multiply(dim, factor));
    if (isDivided)
      op.refuseIf(s.compare(arith::CmpIPredicate::ne, s.multiply(dims[i], factor), dim),
                  "has extents that its factor does not divide");
  }
  if (op.failed())
    return;
  Value source = op.valueOf(x);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    Value factor = b.create<arith::ConstantIndexOp>(f), square = b.create<arith::ConstantIndexOp>(f * f);
    const auto split = [&](Value index, Value by) {
      return std::pair<Value, Value>(b.create<arith::DivUIOp>(index, by), b.create<arith::RemUIOp>(index, by));
    };
    const auto joined = [&](Value index, Value by, Value rest) -> Value {
      return b.create<arith::AddIOp>(b.create<arith::MulIOp>(index, by), rest);
    };
    if (isShuffle) {
      auto [row, i] = split(at[2], factor);
      auto [column, j] = split(at[3], factor);
      return extract(b, source, ValueRange{at[0], joined(at[1], square, joined(i, factor, j)), row, column});
    }
    auto [channel, place] = split(at[1], square);
    auto [i, j] = split(place, factor);
    return extract(b, source, ValueRange{at[0], channel, joined(at[2], factor, i), joined(at[3], factor, j)});
  });
  op.set(op.make(x.element, dims, result));
}

/// Each element of the last two dims as many times as their factors say.
void importUpsample(OpImport &op) {
  Tensor x = op.tensor("x");
  const double height = op.real("scale_factor_height", 1), width = op.real("scale_factor_width", 1);
  const auto isWhole = [](double factor) { return factor >= 1 && factor <= INT16_MAX && factor == int64_t(factor); };
  if (x.rank() < 3 || !isWhole(height) || !isWhole(width))
    return op.fail("has fewer than three dims, or factors that are no whole numbers, which is not compiled");
  const int64_t factors[] = {int64_t(height), int64_t(width)};
  Scalars dims = x.dims;
  for (int64_t i = 0; i < 2; ++i)
    dims[dims.size() - 2 + i] = op.scalars.multiply(dims[dims.size() - 2 + i], op.scalars.constant(factors[i]));
  if (op.failed())
    return;
  Value source = op.valueOf(x);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    for (int64_t i = 0; i < 2; ++i) {
      Value &index = own[own.size() - 2 + i];
      index = b.create<arith::DivUIOp>(index, b.create<arith::ConstantIndexOp>(factors[i]));
    }
    return extract(b, source, own);
  });
  op.set(op.make(x.element, dims, result));
}

} // namespace kvasir::mil
