// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult RmsNormOp::verify() {
  WeightType weight = getWeight().getType();
  int64_t columns = cast<RankedTensorType>(getInput().getType()).getShape().back();
  if (!weight.isVector() || weight.getNumColumns() != columns) // C1
    return emitOpError("C1: the weight is ") << weight << ", but rows of the input have " << columns << " columns";
  return success();
}

SmallVector<Value> RmsNormOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  auto type = cast<RankedTensorType>(getType());
  unsigned last = type.getRank() - 1;
  SmallVector<unsigned> all = llvm::to_vector(llvm::seq<unsigned>(0, last + 1));
  SmallVector<unsigned> outer = llvm::to_vector(llvm::seq<unsigned>(0, last));
  SmallVector<utils::IteratorType> parallel(last + 1, utils::IteratorType::parallel), reduced = parallel;
  reduced.back() = utils::IteratorType::reduction;

  SmallVector<OpFoldResult> extents = tensor::getMixedSizes(builder, getLoc(), getInput());
  Value empty = emitEmpty(builder, ArrayRef(extents).drop_back(), builder.getF32Type());
  Value squares = emitGeneric(builder, getInput(), emitFill(builder, 0, empty), {all, outer}, reduced,
                              [](ImplicitLocOpBuilder &b, ValueRange v) {
                                return b.create<arith::AddFOp>(v[1], b.create<arith::MulFOp>(v[0], v[0]));
                              });
  Value scales = emitElementwise(builder, {}, squares, [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
    Value mean = b.create<arith::DivFOp>(v[0], emitF32(b, float(type.getDimSize(last))));
    Value root = b.create<math::SqrtOp>(b.create<arith::AddFOp>(mean, emitF32(b, getEpsilon().convertToFloat())));
    return b.create<arith::DivFOp>(emitF32(b, 1), root);
  });
  Value result =
      emitGeneric(builder, {getInput(), scales, emitVector(builder, getWeight())}, emitEmptyLike(builder, getInput()),
                  {all, outer, {last}, all}, parallel, [](ImplicitLocOpBuilder &b, ValueRange v) {
                    return b.create<arith::MulFOp>(b.create<arith::MulFOp>(v[0], v[1]), v[2]);
                  });
  return {result};
}
