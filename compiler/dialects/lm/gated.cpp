// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult ClampedSwigluOp::verify() {
  const llvm::APFloat zero(0.0f);
  if (!(getLimit() > zero && getSlope() > zero)) // C1
    return emitOpError("C1: the limit is ")
           << getLimit().convertToFloat() << " and the slope " << getSlope().convertToFloat() << "; both are above 0";
  return success();
}

SmallVector<Value> ClampedSwigluOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  const float limit = getLimit().convertToFloat(), slope = getSlope().convertToFloat();
  return {emitElementwise(builder, {getGate(), getUp()}, emitEmptyLike(builder, getGate()),
                          [=](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                            Value most = emitF32(b, limit), one = emitF32(b, 1);
                            Value gate = b.create<arith::MinimumFOp>(v[0], most);
                            Value up = b.create<arith::MaximumFOp>(b.create<arith::MinimumFOp>(v[1], most),
                                                                   emitF32(b, -limit));
                            Value power = b.create<math::ExpOp>(b.create<arith::MulFOp>(emitF32(b, -slope), gate));
                            Value gated = b.create<arith::DivFOp>(gate, b.create<arith::AddFOp>(one, power));
                            return b.create<arith::MulFOp>(gated, b.create<arith::AddFOp>(up, one));
                          })};
}

SmallVector<Value> SwigluOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return {emitElementwise(builder, {getGate(), getUp()}, emitEmptyLike(builder, getGate()),
                          [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                            Value power = b.create<math::ExpOp>(b.create<arith::NegFOp>(v[0]));
                            Value silu = b.create<arith::DivFOp>(v[0], b.create<arith::AddFOp>(emitF32(b, 1), power));
                            return b.create<arith::MulFOp>(silu, v[1]);
                          })};
}

SmallVector<Value> GegluOp::decompose(OpBuilder &opBuilder) {
  ImplicitLocOpBuilder builder(getLoc(), opBuilder);
  return {emitElementwise(builder, {getGate(), getUp()}, emitEmptyLike(builder, getGate()),
                          [](ImplicitLocOpBuilder &b, ValueRange v) -> Value {
                            Value square = b.create<arith::MulFOp>(v[0], v[0]);
                            Value cubic = b.create<arith::MulFOp>(emitF32(b, 0.044715f), square);
                            Value bent = b.create<arith::MulFOp>(v[0], b.create<arith::AddFOp>(emitF32(b, 1), cubic));
                            Value scaled = b.create<arith::MulFOp>(emitF32(b, 0.7978845608f), bent); // sqrt(2 / pi)
                            Value share = b.create<arith::AddFOp>(emitF32(b, 1), b.create<math::TanhOp>(scaled));
                            Value half = b.create<arith::MulFOp>(emitF32(b, 0.5f), v[0]);
                            Value gelu = b.create<arith::MulFOp>(half, share);
                            return b.create<arith::MulFOp>(gelu, v[1]);
                          })};
}
