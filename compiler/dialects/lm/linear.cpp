// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult LinearOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  WeightType weight = getWeight().getType();
  if (weight.isVector() || weight.getNumColumns() != input.getDimSize(1)) // C1
    return emitOpError("C1: the weight is ")
           << weight << ", but rows of the input have " << input.getDimSize(1) << " columns";
  if (result.getDimSize(0) != input.getDimSize(0) || result.getDimSize(1) != weight.getNumRows()) // C2
    return emitOpError("C2: the result is ")
           << result << " for an input " << input << " and a weight of " << weight.getNumRows() << " rows";
  if (!getBias())
    return success();
  auto bias = cast<WeightType>(getBias().getType());
  if (!bias.isVector() || bias.getNumColumns() != weight.getNumRows()) // C3
    return emitOpError("C3: the bias is ") << bias << ", but the weight has " << weight.getNumRows() << " rows";
  return success();
}

namespace {
/// Rows of the weight that are dequantised at a time: four AVX2 vectors, and a tile that stays in the cache.
constexpr int64_t kTileRows = 32;

/// result[:, begin .. begin + rows - 1] = input * weight[begin .. begin + rows - 1, :]^T, into `acc`. The tile is
/// turned so that the innermost loop runs over the rows of the weight; each element is still one sum over k, in order.
Value emitTile(ImplicitLocOpBuilder &builder, LinearOp op, Value acc, Value begin, int64_t rows) {
  int64_t columns = op.getWeight().getType().getNumColumns();
  auto type = RankedTensorType::get({rows, columns}, builder.getF32Type());
  Value empty = builder.create<tensor::EmptyOp>(type.getShape(), builder.getF32Type());
  Value tile = builder.create<DequantizeOp>(type, op.getWeight(), begin, empty).getResult();
  Value turned = builder.create<tensor::EmptyOp>(ArrayRef<int64_t>{columns, rows}, builder.getF32Type());
  turned = builder.create<linalg::TransposeOp>(tile, turned, ArrayRef<int64_t>{1, 0})->getResult(0);
  OpFoldResult one = builder.getIndexAttr(1), zero = builder.getIndexAttr(0);
  SmallVector<OpFoldResult> offsets{zero, begin},
      sizes{emitExtent(builder, op.getInput(), 0), builder.getIndexAttr(rows)};
  SmallVector<OpFoldResult> strides{one, one};
  Value slice = builder.create<tensor::ExtractSliceOp>(acc, offsets, sizes, strides);
  using utils::IteratorType;
  Value sum = emitGeneric(builder, {op.getInput(), turned}, emitFill(builder, 0, slice), {{0, 1}, {1, 2}, {0, 2}},
                          {IteratorType::parallel, IteratorType::reduction, IteratorType::parallel},
                          [](ImplicitLocOpBuilder &b, ValueRange v) {
                            return b.create<arith::AddFOp>(v[2], b.create<arith::MulFOp>(v[0], v[1]));
                          });
  return builder.create<tensor::InsertSliceOp>(sum, acc, offsets, sizes, strides);
}

Value emitBias(ImplicitLocOpBuilder &builder, Value result, Value bias) {
  using utils::IteratorType;
  return emitGeneric(builder, emitVector(builder, bias), result, {{1}, {0, 1}},
                     {IteratorType::parallel, IteratorType::parallel},
                     [](ImplicitLocOpBuilder &b, ValueRange v) { return b.create<arith::AddFOp>(v[1], v[0]); });
}
} // namespace

SmallVector<Value> LinearOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  int64_t rows = getWeight().getType().getNumRows(), whole = rows / kTileRows * kTileRows;
  Value result =
      emitEmpty(builder, {emitExtent(builder, getInput(), 0), builder.getIndexAttr(rows)}, builder.getF32Type());
  if (whole) {
    auto body = [&](OpBuilder &nested, Location loc, Value begin, ValueRange carried) {
      ImplicitLocOpBuilder inner(loc, nested);
      inner.create<scf::YieldOp>(emitTile(inner, *this, carried[0], begin, kTileRows));
    };
    result = builder
                 .create<scf::ForOp>(emitIndex(builder, 0), emitIndex(builder, whole), emitIndex(builder, kTileRows),
                                     result, body)
                 .getResult(0);
  }
  if (rows > whole)
    result = emitTile(builder, *this, result, emitIndex(builder, whole), rows - whole);
  if (getBias())
    result = emitBias(builder, result, getBias());
  return {builder.createOrFold<tensor::CastOp>(getType(), result)};
}
