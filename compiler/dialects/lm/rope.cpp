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

/// A slice of rank 3: all of the first two dimensions, of the last every `stride`th lane. Never of lower rank: where T
/// is known to be 1, canonicalisation may drop that dimension instead of the lane.
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

Value emitSlice(ImplicitLocOpBuilder &builder, Value from, const Lanes &lanes) {
  return builder.create<tensor::ExtractSliceOp>(from, lanes.offsets, lanes.sizes, lanes.strides);
}

/// angles[:, :, part], the cosines (0) or sines (1): [T, R / 2].
Value emitPlane(ImplicitLocOpBuilder &builder, Value angles, int64_t part) {
  Value slice = emitSlice(builder, angles, Lanes(builder, angles, part, 1, 1));
  return builder.create<tensor::CollapseShapeOp>(slice, SmallVector<ReassociationIndices>{{0}, {1, 2}});
}
/// In a generic's body: the cosine in the first lane of its third dimension, the sine in the second.
Value emitCosineOrSine(ImplicitLocOpBuilder &builder, Value angle) {
  Value lane = builder.create<linalg::IndexOp>(2);
  Value isFirst = builder.create<arith::CmpIOp>(arith::CmpIPredicate::eq, lane, emitIndex(builder, 0));
  auto yield = [&](auto makeOp) {
    return [=](OpBuilder &nested, Location loc) { nested.create<scf::YieldOp>(loc, makeOp(nested, loc)); };
  };
  auto cosine = [=](OpBuilder &b, Location loc) -> Value { return b.create<math::CosOp>(loc, angle); };
  auto sine = [=](OpBuilder &b, Location loc) -> Value { return b.create<math::SinOp>(loc, angle); };
  return builder.create<scf::IfOp>(isFirst, yield(cosine), yield(sine)).getResult(0);
}
} // namespace

SmallVector<Value> RopeAnglesOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  Value frequencies = builder.create<arith::ConstantOp>(getFrequencies());
  SmallVector<OpFoldResult> extents{emitExtent(builder, getPositions(), 0),
                                    builder.getIndexAttr(getFrequencies().getNumElements()), builder.getIndexAttr(2)};
  Value result = emitEmpty(builder, extents, builder.getF32Type());
  Value magnitude = builder.create<arith::ConstantOp>(builder.getF64FloatAttr(getMagnitude().convertToFloat()));
  SmallVector<IteratorType> loops(3, IteratorType::parallel);
  return {emitGeneric(builder, {getPositions(), frequencies}, result, {{0}, {1}, {0, 1, 2}}, loops,
                      [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                        Value position = b.create<arith::SIToFPOp>(b.getF64Type(), v[0]);
                        Value turned = emitCosineOrSine(b, b.create<arith::MulFOp>(position, v[1]));
                        return b.create<arith::TruncFOp>(b.getF32Type(), b.create<arith::MulFOp>(turned, magnitude));
                      })};
}

SmallVector<Value> RopeOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  int64_t half = cast<RankedTensorType>(getAngles().getType()).getDimSize(1);
  bool whole = 2 * half == cast<RankedTensorType>(getType()).getDimSize(2);
  bool adjacent = getLanes() == LaneOrder::adjacent;
  Value result = whole ? emitEmptyLike(builder, getInput()) : Value(getInput());
  Lanes first(builder, getInput(), 0, half, adjacent ? 2 : 1);
  Lanes second(builder, getInput(), adjacent ? 1 : half, half, adjacent ? 2 : 1);
  auto slice = [&](Value from, const Lanes &lanes) { return emitSlice(builder, from, lanes); };
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
