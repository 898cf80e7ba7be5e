// SPDX-License-Identifier: MIT
#include "compiler/models/mil/weighted.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

Value select(OpImport &op, lm::WeightOp weight) {
  return op.b.create<lm::SelectOp>(weight.getType(), weight.getSymName(), Value());
}

/// All dims but the last as one: [.., K] → [M, K].
SmallVector<ReassociationIndices> rowsOf(size_t rank) {
  return {llvm::to_vector<2>(llvm::seq<int64_t>(0, int64_t(rank) - 1)), {int64_t(rank) - 1}};
}

bool isOpen(const Scalar &dim) { return !dim.constant(); }

/// [M, N] f32 as dims.. of `element`. At most one of the dims that M is the product of is open.
Tensor fromRows(OpImport &op, Value rows, Element element, Scalars dims) {
  Value whole = rows;
  if (dims.size() > 2) {
    SmallVector<OpFoldResult> extents;
    for (const Scalar &dim : dims)
      extents.push_back(dim.constant() ? OpFoldResult(op.b.getIndexAttr(*dim.constant())) : OpFoldResult(dim.value));
    whole = op.b.create<tensor::ExpandShapeOp>(tensorType(op.b.getContext(), Element::f32, dims), rows,
                                               rowsOf(dims.size()), extents);
  }
  if (element == Element::f32)
    return op.make(element, std::move(dims), whole);
  Value rounded =
      emitGenerate(op, element, dims, [&](Builder &b, ValueRange indices) { return extract(b, whole, indices); });
  return op.make(element, std::move(dims), rounded);
}

Scalars withLast(ArrayRef<Scalar> dims, const Scalar &last) {
  Scalars list(dims.begin(), dims.end());
  list.push_back(last);
  return list;
}
} // namespace

bool hasRows(const Tensor &x) {
  return x.rank() >= 2 && llvm::count_if(ArrayRef(x.dims).drop_back(), isOpen) <= 1 && x.dims.back().constant();
}

Tensor emitLinear(OpImport &op, const Tensor &x, lm::WeightOp weight, lm::WeightOp bias) {
  Value source = op.valueOf(x), rows = source;
  if (x.element != Element::f32)
    rows = emitGenerate(op, Element::f32, x.dims,
                        [&](Builder &b, ValueRange indices) { return extract(b, source, indices); });
  if (x.rank() > 2)
    rows = op.b.create<tensor::CollapseShapeOp>(rows, rowsOf(x.rank()));
  auto type = cast<lm::WeightType>(weight.getType());
  SmallVector<int64_t> shape{cast<RankedTensorType>(rows.getType()).getDimSize(0), type.getNumRows()};
  Value product = op.b.create<lm::LinearOp>(RankedTensorType::get(shape, op.b.getF32Type()), rows, select(op, weight),
                                            bias ? select(op, bias) : Value());
  return fromRows(op, product, x.element,
                  withLast(ArrayRef(x.dims).drop_back(), op.scalars.constant(type.getNumRows())));
}

Tensor emitEmbedding(OpImport &op, Value indices, ArrayRef<Scalar> dims, lm::WeightOp weight, Element element) {
  auto type = cast<lm::WeightType>(weight.getType());
  Value ids = indices;
  if (dims.size() != 1) {
    SmallVector<ReassociationIndices> all;
    if (!dims.empty())
      all.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, int64_t(dims.size()))));
    ids = dims.empty()
              ? op.b.create<tensor::ExpandShapeOp>(RankedTensorType::get({1}, op.b.getI32Type()), ids, all).getResult()
              : op.b.create<tensor::CollapseShapeOp>(ids, all).getResult();
  }
  SmallVector<int64_t> shape{cast<RankedTensorType>(ids.getType()).getDimSize(0), type.getNumColumns()};
  Value rows = op.b.create<lm::EmbeddingOp>(RankedTensorType::get(shape, op.b.getF32Type()), ids, select(op, weight));
  return fromRows(op, rows, element, withLast(dims, op.scalars.constant(type.getNumColumns())));
}

} // namespace kvasir::mil
