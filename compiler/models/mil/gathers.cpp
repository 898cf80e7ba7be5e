// SPDX-License-Identifier: MIT
// Elements and rows by indices that a call computes.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/weighted.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

/// An element of `indices` as an index, whatever it says.
Value indexAt(Builder &b, Value indices, Element element, ValueRange at) {
  Value number = b.create<tensor::ExtractOp>(indices, at);
  if (isSigned(element))
    return b.create<arith::IndexCastOp>(b.getIndexType(), number);
  return b.create<arith::IndexCastUIOp>(b.getIndexType(), number);
}

Value clamped(Builder &b, Value index, const Scalar &extent) {
  Value last = b.create<arith::SubIOp>(extent.value, b.create<arith::ConstantIndexOp>(1));
  Value low = b.create<arith::MinSIOp>(index, last);
  return b.create<arith::MaxSIOp>(low, b.create<arith::ConstantIndexOp>(0));
}

/// A call with an index that is none of 0 to extent - 1 is refused.
void refuseOutside(OpImport &op, const Tensor &indices, Value value, const Scalar &extent) {
  Builder &b = op.b;
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(indices.rank()),
                              AffineMap::get(indices.rank(), 0, b.getContext())};
  SmallVector<utils::IteratorType> iterators(indices.rank(), utils::IteratorType::reduction);
  Value none = op.filled(Element::i32, {}, 0);
  auto build = [&](OpBuilder &builder, Location loc, ValueRange elements) {
    Builder inner(loc, builder);
    Value index = isSigned(indices.element)
                      ? inner.create<arith::IndexCastOp>(inner.getIndexType(), elements[0]).getResult()
                      : inner.create<arith::IndexCastUIOp>(inner.getIndexType(), elements[0]).getResult();
    Value isOutside = inner.create<arith::CmpIOp>(Predicate::uge, index, extent.value);
    Value fault = inner.create<arith::ExtUIOp>(inner.getI32Type(), isOutside);
    inner.create<linalg::YieldOp>(ValueRange{inner.create<arith::OrIOp>(elements[1], fault)});
  };
  Value faults = b.create<linalg::GenericOp>(TypeRange{none.getType()}, ValueRange{value}, ValueRange{none}, maps,
                                             iterators, build)
                     .getResult(0);
  Value found = b.create<tensor::ExtractOp>(faults, ValueRange());
  Value isWrong = b.create<arith::CmpIOp>(Predicate::ne, found, op.number(b.getI32Type(), 0));
  op.refuseIf(isWrong, "has an index that is outside of what it takes from");
}

/// The same of indices that are computed with one by one.
void refuseOutside(OpImport &op, ArrayRef<Scalar> indices, const Scalar &extent) {
  ScalarBuilder &s = op.scalars;
  for (const Scalar &index : indices)
    op.refuseIf(s.larger(s.compare(Predicate::slt, index, s.constant(0)), s.compare(Predicate::sge, index, extent)),
                "has an index that is outside of what it takes from");
}

void refuseOutside(OpImport &op, const Tensor &indices, const Scalar &extent) {
  if (op.isSmall(indices))
    refuseOutside(op, op.scalarsOf(indices), extent);
  else
    refuseOutside(op, indices, op.valueOf(indices), extent);
}

/// Whether rows of a matrix are taken, as many as one open dim says.
bool canEmbed(const Tensor &x, const Tensor &indices, int64_t axis) {
  return axis == 0 && x.rank() == 2 &&
         llvm::count_if(indices.dims, [](const Scalar &dim) { return !dim.constant(); }) <= 1;
}

bool areKnown(ArrayRef<Scalar> list) {
  return llvm::all_of(list, [](const Scalar &scalar) { return scalar.constant().has_value(); });
}
} // namespace

Value emitInside(OpImport &op, const Tensor &indices, const Scalar &extent) {
  refuseOutside(op, indices, extent);
  Value places = op.valueOf(indices);
  return emitGenerate(op, Element::i32, indices.dims, [&](Builder &b, ValueRange at) {
    Value index = clamped(b, indexAt(b, places, indices.element, at), extent);
    return b.create<arith::IndexCastOp>(b.getI32Type(), index).getResult();
  });
}

/// Shape: x[:axis] + indices + x[axis + 1:].
void importGather(OpImport &op) {
  Tensor x = op.tensor("x"), indices = op.tensor("indices");
  const int64_t axis = op.axis(op.integer("axis", 0), x.rank());
  if (op.integer("batch_dims", 0) != 0 || !isInteger(indices.element))
    return op.fail("has batch_dims, or indices that are no integers, which is not compiled");
  if (op.failed())
    return;
  if (op.isSmall(x) && op.isSmall(indices) && x.rank() == 1 && areKnown(op.scalarsOf(indices))) {
    Scalars all = op.scalarsOf(x), list;
    refuseOutside(op, op.scalarsOf(indices), x.dims[0]);
    for (const Scalar &index : op.failed() ? Scalars() : op.scalarsOf(indices))
      list.push_back(all[*index.constant()]);
    return op.failed() ? void() : op.set(op.make(x.element, indices.dims, std::move(list)));
  }
  lm::WeightOp weight = canEmbed(x, indices, axis) ? op.weight("x") : lm::WeightOp();
  Value source = weight ? Value() : op.valueOf(x), places = op.valueOf(indices);
  if (weight)
    return op.set(emitEmbedding(op, emitInside(op, indices, x.dims[axis]), indices.dims, weight, x.element));
  refuseOutside(op, indices, x.dims[axis]);
  Scalars dims(x.dims.begin(), x.dims.begin() + axis);
  llvm::append_range(dims, indices.dims);
  dims.append(x.dims.begin() + axis + 1, x.dims.end());
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at.take_front(axis));
    Value index = indexAt(b, places, indices.element, at.slice(axis, indices.rank()));
    own.push_back(clamped(b, index, x.dims[axis]));
    llvm::append_range(own, at.drop_front(axis + indices.rank()));
    return extract(b, source, own);
  });
  op.set(op.make(x.element, dims, result));
}

/// out[i, j, …] = x[i, indices[i, j, …], …] along the axis.
void importGatherAlongAxis(OpImport &op) {
  Tensor x = op.tensor("x"), indices = op.tensor("indices");
  const int64_t axis = op.axis(op.integer("axis", 0), x.rank());
  if (indices.rank() != x.rank() || !isInteger(indices.element))
    return op.fail("has indices of another rank, or that are no integers");
  if (op.failed())
    return;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (i != axis)
      op.refuseIf(op.scalars.compare(Predicate::ne, x.dims[i], indices.dims[i]), "has indices of another shape");
  Value source = op.valueOf(x), places = op.valueOf(indices);
  refuseOutside(op, indices, places, x.dims[axis]);
  Value result = emitGenerate(op, x.element, indices.dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    own[axis] = clamped(b, indexAt(b, places, indices.element, at), x.dims[axis]);
    return extract(b, source, own);
  });
  op.set(op.make(x.element, indices.dims, result));
}

} // namespace kvasir::mil
