// SPDX-License-Identifier: MIT
#include "compiler/models/mil/indices.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

constexpr const char *kIsOutside = "has an index that is outside of what it points into";

Value asIndex(Builder &b, Value number, Element element) {
  if (isSigned(element))
    return b.create<arith::IndexCastOp>(b.getIndexType(), number);
  return b.create<arith::IndexCastUIOp>(b.getIndexType(), number);
}

/// The extent that goes with place `last` of the last dim.
Value extentAt(Builder &b, ArrayRef<Scalar> extents, Value last) {
  Value extent = extents.front().value;
  for (auto [i, other] : llvm::enumerate(extents.drop_front())) {
    Value isOther = b.create<arith::CmpIOp>(Predicate::eq, last, b.create<arith::ConstantIndexOp>(int64_t(i) + 1));
    extent = b.create<arith::SelectOp>(isOther, other.value, extent);
  }
  return extent;
}

/// Looks at all of them once.
void refuseComputed(OpImport &op, const Tensor &indices, ArrayRef<Scalar> extents) {
  Builder &b = op.b;
  const int64_t rank = indices.rank();
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(rank), AffineMap::get(rank, 0, b.getContext())};
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::reduction);
  Value none = op.filled(Element::i32, {}, 0), value = op.valueOf(indices);
  auto build = [&](OpBuilder &builder, Location loc, ValueRange elements) {
    Builder inner(loc, builder);
    Value index = asIndex(inner, elements[0], indices.element);
    Value extent = extents.size() == 1 ? extents.front().value
                                       : extentAt(inner, extents, inner.create<linalg::IndexOp>(uint64_t(rank - 1)));
    Value isOutside = inner.create<arith::CmpIOp>(Predicate::uge, index, extent);
    Value fault = inner.create<arith::ExtUIOp>(inner.getI32Type(), isOutside);
    inner.create<linalg::YieldOp>(ValueRange{inner.create<arith::OrIOp>(elements[1], fault)});
  };
  Value faults = b.create<linalg::GenericOp>(TypeRange{none.getType()}, ValueRange{value}, ValueRange{none}, maps,
                                             iterators, build)
                     .getResult(0);
  Value found = b.create<tensor::ExtractOp>(faults, ValueRange());
  op.refuseIf(b.create<arith::CmpIOp>(Predicate::ne, found, op.number(b.getI32Type(), 0)), kIsOutside);
}

/// The same of indices that are computed with one by one.
void refuseScalars(OpImport &op, ArrayRef<Scalar> indices, ArrayRef<Scalar> extents) {
  ScalarBuilder &s = op.scalars;
  for (auto [i, index] : llvm::enumerate(indices)) {
    const Scalar &extent = extents[extents.size() == 1 ? 0 : i];
    op.refuseIf(s.larger(s.compare(Predicate::slt, index, s.constant(0)), s.compare(Predicate::sge, index, extent)),
                kIsOutside);
  }
}
} // namespace

Value placeAt(Builder &b, Value indices, Element element, ValueRange at, const Scalar &extent) {
  Value index = asIndex(b, b.create<tensor::ExtractOp>(indices, at), element);
  Value last = b.create<arith::SubIOp>(extent.value, b.create<arith::ConstantIndexOp>(1));
  Value low = b.create<arith::MinSIOp>(index, last);
  return b.create<arith::MaxSIOp>(low, b.create<arith::ConstantIndexOp>(0));
}

void refuseOutside(OpImport &op, const Tensor &indices, ArrayRef<Scalar> extents) {
  for (const Scalar &extent : extents)
    op.refuseIf(op.scalars.compare(Predicate::eq, extent, op.scalars.constant(0)), "points into what has no elements");
  if (op.isSmall(indices))
    refuseScalars(op, op.scalarsOf(indices), extents);
  else
    refuseComputed(op, indices, extents);
}

void refuseOtherDims(OpImport &op, const Tensor &tensor, int64_t first, ArrayRef<Scalar> dims, const Twine &reason) {
  if (tensor.rank() < first + int64_t(dims.size()))
    return op.fail(reason);
  for (auto [own, dim] : llvm::zip_equal(ArrayRef(tensor.dims).slice(first, dims.size()), dims))
    op.refuseIf(op.scalars.compare(Predicate::ne, own, dim), reason);
}

} // namespace kvasir::mil
