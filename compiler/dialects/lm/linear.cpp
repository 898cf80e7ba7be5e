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
/// result[:, begin .. begin + rows - 1] = input * weight[begin .. begin + rows - 1, :]^T, into `acc`.
Value emitTile(ImplicitLocOpBuilder &builder, LinearOp op, Value acc, Value begin, int64_t rows) {
  OpFoldResult one = builder.getIndexAttr(1), zero = builder.getIndexAttr(0);
  SmallVector<OpFoldResult> offsets{zero, begin},
      sizes{emitExtent(builder, op.getInput(), 0), builder.getIndexAttr(rows)};
  SmallVector<OpFoldResult> strides{one, one};
  Value slice = builder.create<tensor::ExtractSliceOp>(acc, offsets, sizes, strides);
  Value product = emitProduct(builder, op.getInput(), op.getWeight(), begin, slice);
  return builder.create<tensor::InsertSliceOp>(product, acc, offsets, sizes, strides);
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
