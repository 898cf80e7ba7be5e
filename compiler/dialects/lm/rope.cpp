// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult RopeAnglesOp::verify() {
  ShapedType frequencies = getFrequencies().getType();
  auto result = cast<RankedTensorType>(getResult().getType());
  auto positions = cast<RankedTensorType>(getPositions().getType());
  if (frequencies.getRank() != 1 || result.getDimSize(0) != positions.getDimSize(0) ||
      result.getDimSize(1) != frequencies.getDimSize(0) || result.getDimSize(2) != 2) // C1
    return emitOpError("C1: the result is ")
           << result << " for " << frequencies.getNumElements() << " frequencies and " << positions;
  return success();
}

LogicalResult RopeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), angles = cast<RankedTensorType>(getAngles().getType());
  if (angles.getDimSize(0) != input.getDimSize(0) || angles.isDynamicDim(1) ||
      2 * angles.getDimSize(1) > input.getDimSize(2) || angles.getDimSize(2) != 2) // C1
    return emitOpError("C1: the angles are ")
           << angles << " for heads of " << input.getDimSize(2) << " lanes in " << input;
  return success();
}

namespace {
using utils::IteratorType;

/// A slice of rank 3 without its last dimension, of which it has one element; or with it, every `stride`th.
struct Lanes {
  SmallVector<OpFoldResult> offsets, sizes, strides;

  Lanes(ImplicitLocOpBuilder &builder, Value tensor, int64_t offset, int64_t size, int64_t stride)
      : offsets(3, builder.getIndexAttr(0)), sizes(tensor::getMixedSizes(builder, builder.getLoc(), tensor)),
        strides(3, builder.getIndexAttr(1)) {
    offsets[2] = builder.getIndexAttr(offset);
    sizes[2] = builder.getIndexAttr(size);
    strides[2] = builder.getIndexAttr(stride);
  }
};

RankedTensorType withoutLast(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return RankedTensorType::get(type.getShape().drop_back(), type.getElementType());
}

/// angles[:, :, part], a plane of cosines (0) or sines (1).
Value emitPlane(ImplicitLocOpBuilder &builder, Value angles, int64_t part) {
  Lanes lanes(builder, angles, part, 1, 1);
  return builder.create<tensor::ExtractSliceOp>(withoutLast(angles), angles, lanes.offsets, lanes.sizes, lanes.strides);
}
} // namespace

SmallVector<Value> RopeAnglesOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  Value frequencies = builder.create<arith::ConstantOp>(getFrequencies());
  SmallVector<OpFoldResult> extents{emitExtent(builder, getPositions(), 0),
                                    builder.getIndexAttr(getFrequencies().getNumElements()), builder.getIndexAttr(2)};
  Value result = emitEmpty(builder, extents, builder.getF32Type());
  Value magnitude = builder.create<arith::ConstantOp>(builder.getF64FloatAttr(getMagnitude().convertToFloat()));
  for (int64_t part : {0, 1}) {
    Value plane = emitGeneric(
        builder, {getPositions(), frequencies}, emitPlane(builder, result, part), {{0}, {1}, {0, 1}},
        {IteratorType::parallel, IteratorType::parallel}, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
          Value position = b.create<arith::SIToFPOp>(b.getF64Type(), v[0]);
          Value angle = b.create<arith::MulFOp>(position, v[1]);
          Value turned = part ? b.create<math::SinOp>(angle).getResult() : b.create<math::CosOp>(angle).getResult();
          return b.create<arith::TruncFOp>(b.getF32Type(), b.create<arith::MulFOp>(turned, magnitude));
        });
    Lanes lanes(builder, result, part, 1, 1);
    result = builder.create<tensor::InsertSliceOp>(plane, result, lanes.offsets, lanes.sizes, lanes.strides);
  }
  return {result};
}

SmallVector<Value> RopeOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  int64_t half = cast<RankedTensorType>(getAngles().getType()).getDimSize(1);
  bool whole = 2 * half == cast<RankedTensorType>(getType()).getDimSize(2);
  bool adjacent = getLanes() == LaneOrder::adjacent;
  Value result = whole ? emitEmptyLike(builder, getInput()) : Value(getInput());
  Lanes first(builder, getInput(), 0, half, adjacent ? 2 : 1);
  Lanes second(builder, getInput(), adjacent ? 1 : half, half, adjacent ? 2 : 1);
  auto slice = [&](Value from, const Lanes &lanes) -> Value {
    return builder.create<tensor::ExtractSliceOp>(from, lanes.offsets, lanes.sizes, lanes.strides);
  };
  Value inputs[] = {slice(getInput(), first), slice(getInput(), second), emitPlane(builder, getAngles(), 0),
                    emitPlane(builder, getAngles(), 1)};
  SmallVector<unsigned> all{0, 1, 2}, angle{0, 2};
  SmallVector<IteratorType> loops(3, IteratorType::parallel);
  Value x = emitGeneric(builder, inputs, slice(result, first), {all, all, angle, angle, all}, loops,
                        [](ImplicitLocOpBuilder &b, ValueRange v) {
                          return b.create<arith::SubFOp>(b.create<arith::MulFOp>(v[0], v[2]),
                                                         b.create<arith::MulFOp>(v[1], v[3]));
                        });
  result = builder.create<tensor::InsertSliceOp>(x, result, first.offsets, first.sizes, first.strides);
  Value y = emitGeneric(builder, inputs, slice(result, second), {all, all, angle, angle, all}, loops,
                        [](ImplicitLocOpBuilder &b, ValueRange v) {
                          return b.create<arith::AddFOp>(b.create<arith::MulFOp>(v[0], v[3]),
                                                         b.create<arith::MulFOp>(v[1], v[2]));
                        });
  return {builder.create<tensor::InsertSliceOp>(y, result, second.offsets, second.sizes, second.strides)};
}
