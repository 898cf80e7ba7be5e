// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult SoftcapOp::verify() {
  if (!getCap().isFiniteNonZero() || getCap().isNegative()) // C1
    return emitOpError("C1: the cap is ") << getCapAttr() << "; it is positive and finite";
  return success();
}

SmallVector<Value> ScaleOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return {emitElementwise(builder, getInput(), emitEmptyLike(builder, getInput()),
                          [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                            return b.create<arith::MulFOp>(v[0], emitF32(b, getFactor().convertToFloat()));
                          })};
}

SmallVector<Value> SoftcapOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return {emitElementwise(builder, getInput(), emitEmptyLike(builder, getInput()),
                          [&](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                            Value cap = emitF32(b, getCap().convertToFloat());
                            Value bent = b.create<math::TanhOp>(b.create<arith::DivFOp>(v[0], cap));
                            return b.create<arith::MulFOp>(cap, bent);
                          })};
}
