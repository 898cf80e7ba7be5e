// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult EmbeddingOp::verify() {
  auto result = cast<RankedTensorType>(getResult().getType());
  WeightType weight = getWeight().getType();
  if (weight.isVector() || result.getDimSize(0) != cast<ShapedType>(getIds().getType()).getDimSize(0) ||
      result.getDimSize(1) != weight.getNumColumns()) // C1
    return emitOpError("C1: the result is ")
           << result << " for ids " << getIds().getType() << " and a weight " << weight;
  return success();
}

LogicalResult TakeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  if (result.getDimSize(0) != cast<ShapedType>(getRows().getType()).getDimSize(0) ||
      result.getDimSize(1) != input.getDimSize(1)) // C1
    return emitOpError("C1: the result is ") << result << " for rows " << getRows().getType() << " of " << input;
  if (result.getElementType() != input.getElementType()) // C2
    return emitOpError("C2: the result is ") << result << " for an input " << input;
  return success();
}

namespace {
/// One row a loop step: `emitRow` is given the number of the result's row, that number in `rows`, and the row's slice.
template <typename EmitRow>
Value emitRows(ImplicitLocOpBuilder &builder, Value rows, RankedTensorType type, EmitRow emitRow) {
  int64_t columns = type.getDimSize(1);
  OpFoldResult count = emitExtent(builder, rows, 0), one = builder.getIndexAttr(1), zero = builder.getIndexAttr(0);
  Value result = emitEmpty(builder, {count, builder.getIndexAttr(columns)}, type.getElementType());
  auto body = [&](OpBuilder &nested, Location loc, Value i, ValueRange carried) {
    ImplicitLocOpBuilder inner(loc, nested);
    Value row = inner.create<arith::IndexCastOp>(inner.getIndexType(), inner.create<tensor::ExtractOp>(rows, i));
    SmallVector<OpFoldResult> offsets{i, zero}, sizes{one, builder.getIndexAttr(columns)}, strides{one, one};
    Value slice = inner.create<tensor::ExtractSliceOp>(carried[0], offsets, sizes, strides);
    Value filled = emitRow(inner, row, slice);
    inner.create<scf::YieldOp>(
        inner.create<tensor::InsertSliceOp>(filled, carried[0], offsets, sizes, strides).getResult());
  };
  Value end = getValueOrCreateConstantIndexOp(builder, builder.getLoc(), count);
  return builder.create<scf::ForOp>(emitIndex(builder, 0), end, emitIndex(builder, 1), result, body).getResult(0);
}
} // namespace

SmallVector<Value> EmbeddingOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return {emitRows(builder, getIds(), cast<RankedTensorType>(getType()),
                   [&](ImplicitLocOpBuilder &b, Value row, Value slice) {
                     return b.create<DequantizeOp>(slice.getType(), getWeight(), row, slice).getResult();
                   })};
}

SmallVector<Value> TakeOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  auto type = cast<RankedTensorType>(getType());
  return {emitRows(builder, getRows(), type, [&](ImplicitLocOpBuilder &b, Value row, Value slice) -> Value {
    OpFoldResult one = b.getIndexAttr(1);
    Value source = b.create<tensor::ExtractSliceOp>(getInput(), SmallVector<OpFoldResult>{row, b.getIndexAttr(0)},
                                                    SmallVector<OpFoldResult>{one, b.getIndexAttr(type.getDimSize(1))},
                                                    SmallVector<OpFoldResult>{one, one});
    return b.create<linalg::CopyOp>(source, slice).getResult(0);
  })};
}
