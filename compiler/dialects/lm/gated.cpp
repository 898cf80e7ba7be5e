// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/emit.h"

using namespace mlir;
using namespace kvasir::lm;

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
