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
