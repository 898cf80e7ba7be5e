// SPDX-License-Identifier: MIT
// Elements and rows by indices that a call computes.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/indices.h"
#include "compiler/models/mil/weighted.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

/// Whether rows of a matrix are taken, as many as one open dim says.
bool canEmbed(const Tensor &x, const Tensor &indices, int64_t axis) {
  return axis == 0 && x.rank() == 2 &&
         llvm::count_if(indices.dims, [](const Scalar &dim) { return !dim.constant(); }) <= 1;
}

bool areKnown(ArrayRef<Scalar> list) {
  return llvm::all_of(list, [](const Scalar &scalar) { return scalar.constant().has_value(); });
}

/// Of a few indices that the package says, those below 0 count from the end, as exporters write them up to iOS 16 and
/// for elements of a shape.
Tensor knownFromEnd(OpImport &op, Tensor indices, const Scalar &extent) {
  if (!op.isSmall(indices) || !areKnown(op.scalarsOf(indices)))
    return indices;
  Scalars list = op.scalarsOf(indices);
  for (Scalar &index : list)
    if (*index.constant() < 0)
      index = op.scalars.add(index, extent);
  return op.make(indices.element, indices.dims, std::move(list));
}

/// How many leading dims of `x` and `indices` are one; fails where they are not.
int64_t numBatchDims(OpImport &op, const Tensor &x, const Tensor &indices, int64_t most) {
  const int64_t count = op.integer("batch_dims", 0);
  if (count < 0 || count > most || count > indices.rank()) {
    op.fail("has batch_dims " + Twine(count) + ", which are none of its operands");
    return 0;
  }
  refuseOtherDims(op, indices, 0, ArrayRef(x.dims).take_front(count), "has batches of different extents");
  return count;
}
} // namespace

Value emitInside(OpImport &op, const Tensor &indices, const Scalar &extent) {
  refuseOutside(op, indices, extent);
  Value places = op.valueOf(indices);
  return emitGenerate(op, Element::i32, indices.dims, [&](Builder &b, ValueRange at) {
    Value index = placeAt(b, places, indices.element, at, extent);
    return b.create<arith::IndexCastOp>(b.getI32Type(), index).getResult();
  });
}

/// Shape: x[:axis] + indices[batch_dims:] + x[axis + 1:].
void importGather(OpImport &op) {
  Tensor x = op.tensor("x"), indices = op.tensor("indices");
  const int64_t axis = op.axis(op.integer("axis", 0), x.rank());
  if (!isInteger(indices.element))
    return op.fail("has indices that are no integers");
  const int64_t batch = op.failed() ? 0 : numBatchDims(op, x, indices, axis);
  if (op.failed())
    return;
  indices = knownFromEnd(op, indices, x.dims[axis]);
  if (op.isSmall(x) && op.isSmall(indices) && x.rank() == 1 && areKnown(op.scalarsOf(indices))) {
    Scalars all = op.scalarsOf(x), list;
    refuseOutside(op, indices, x.dims[0]);
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
  dims.append(indices.dims.begin() + batch, indices.dims.end());
  dims.append(x.dims.begin() + axis + 1, x.dims.end());
  const size_t numPlaces = indices.rank() - batch;
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at.take_front(axis)), place(at.take_front(batch));
    llvm::append_range(place, at.slice(axis, numPlaces));
    own.push_back(placeAt(b, places, indices.element, place, x.dims[axis]));
    llvm::append_range(own, at.drop_front(axis + numPlaces));
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
  refuseOutside(op, indices, x.dims[axis]);
  Value result = emitGenerate(op, x.element, indices.dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at);
    own[axis] = placeAt(b, places, indices.element, at, x.dims[axis]);
    return extract(b, source, own);
  });
  op.set(op.make(x.element, indices.dims, result));
}

/// The last dim of the indices is a place in the dims of x after the batch_dims. Shape: indices[:-1] + the dims of x
/// that no index is for.
void importGatherNd(OpImport &op) {
  Tensor x = op.tensor("x"), indices = op.tensor("indices");
  const int64_t depth = indices.rank() ? indices.dims.back().constant().value_or(0) : 0;
  if (!isInteger(indices.element) || depth < 1 || depth > x.rank())
    return op.fail("has indices that are no places in its input");
  const int64_t batch = numBatchDims(op, x, indices, std::min(x.rank() - depth, indices.rank() - 1));
  if (op.failed())
    return;
  refuseOutside(op, indices, ArrayRef(x.dims).slice(batch, depth));
  Scalars dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.append(x.dims.begin() + batch + depth, x.dims.end());
  Value source = op.valueOf(x), places = op.valueOf(indices);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange at) {
    SmallVector<Value> own(at.take_front(batch)), place(at.take_front(indices.rank() - 1));
    place.emplace_back();
    for (int64_t i = 0; i < depth; ++i) {
      place.back() = b.create<arith::ConstantIndexOp>(i);
      own.push_back(placeAt(b, places, indices.element, place, x.dims[batch + i]));
    }
    llvm::append_range(own, at.drop_front(indices.rank() - 1));
    return extract(b, source, own);
  });
  op.set(op.make(x.element, dims, result));
}

} // namespace kvasir::mil
