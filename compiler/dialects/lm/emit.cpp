// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

OpFoldResult kvasir::lm::emitExtent(ImplicitLocOpBuilder &builder, Value tensor, int64_t dim) {
  return tensor::getMixedSize(builder, builder.getLoc(), tensor, dim);
}

Value kvasir::lm::emitEmpty(ImplicitLocOpBuilder &builder, ArrayRef<OpFoldResult> extents, Type element) {
  return builder.create<tensor::EmptyOp>(extents, element);
}

Value kvasir::lm::emitEmptyLike(ImplicitLocOpBuilder &builder, Value like) {
  return emitEmpty(builder, tensor::getMixedSizes(builder, builder.getLoc(), like),
                   cast<RankedTensorType>(like.getType()).getElementType());
}

Value kvasir::lm::emitF32(ImplicitLocOpBuilder &builder, float value) {
  return builder.create<arith::ConstantOp>(builder.getF32FloatAttr(value));
}

Value kvasir::lm::emitIndex(ImplicitLocOpBuilder &builder, int64_t value) {
  return builder.create<arith::ConstantIndexOp>(value);
}

Value kvasir::lm::emitFill(ImplicitLocOpBuilder &builder, float value, Value tensor) {
  return builder.create<linalg::FillOp>(emitF32(builder, value), tensor).getResult(0);
}

Value kvasir::lm::emitGeneric(ImplicitLocOpBuilder &builder, ValueRange inputs, Value outs,
                              ArrayRef<SmallVector<unsigned>> maps, ArrayRef<utils::IteratorType> loops,
                              EmitBody body) {
  SmallVector<AffineMap> affine;
  for (const SmallVector<unsigned> &dims : maps)
    affine.push_back(AffineMap::getMultiDimMapWithTargets(loops.size(), dims, builder.getContext()));
  auto build = [&](OpBuilder &nested, Location loc, ValueRange scalars) {
    ImplicitLocOpBuilder inner(loc, nested);
    inner.create<linalg::YieldOp>(body(inner, scalars));
  };
  return builder.create<linalg::GenericOp>(outs.getType(), inputs, outs, affine, loops, build).getResult(0);
}

Value kvasir::lm::emitElementwise(ImplicitLocOpBuilder &builder, ValueRange inputs, Value outs, EmitBody body) {
  int64_t rank = cast<RankedTensorType>(outs.getType()).getRank();
  SmallVector<unsigned> all = llvm::to_vector(llvm::seq<unsigned>(0, rank));
  SmallVector<SmallVector<unsigned>> maps(inputs.size() + 1, all);
  SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
  return emitGeneric(builder, inputs, outs, maps, loops, body);
}

Value kvasir::lm::emitProduct(ImplicitLocOpBuilder &builder, Value rows, Value weight, Value begin, Value into) {
  int64_t columns = cast<WeightType>(weight.getType()).getNumColumns();
  int64_t count = cast<RankedTensorType>(into.getType()).getDimSize(1);
  auto type = RankedTensorType::get({count, columns}, builder.getF32Type());
  Value empty = builder.create<tensor::EmptyOp>(type.getShape(), type.getElementType());
  Value tile = builder.create<DequantizeOp>(type, weight, begin, empty).getResult();
  Value turned = builder.create<tensor::EmptyOp>(ArrayRef<int64_t>{columns, count}, builder.getF32Type());
  turned = builder.create<linalg::TransposeOp>(tile, turned, ArrayRef<int64_t>{1, 0})->getResult(0);
  using utils::IteratorType;
  return emitGeneric(builder, {rows, turned}, emitFill(builder, 0, into), {{0, 1}, {1, 2}, {0, 2}},
                     {IteratorType::parallel, IteratorType::reduction, IteratorType::parallel},
                     [](ImplicitLocOpBuilder &b, ValueRange v) {
                       return b.create<arith::AddFOp>(v[2], b.create<arith::MulFOp>(v[0], v[1]));
                     });
}

Value kvasir::lm::emitVector(ImplicitLocOpBuilder &builder, Value weight) {
  int64_t columns = cast<WeightType>(weight.getType()).getNumColumns();
  auto type = RankedTensorType::get({1, columns}, builder.getF32Type());
  Value empty = builder.create<tensor::EmptyOp>(type.getShape(), type.getElementType());
  Value row = builder.create<DequantizeOp>(type, weight, emitIndex(builder, 0), empty).getResult();
  return builder.create<tensor::CollapseShapeOp>(row, ArrayRef<ReassociationIndices>{{0, 1}});
}
