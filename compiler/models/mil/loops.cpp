// SPDX-License-Identifier: MIT
#include "compiler/models/mil/loops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Body = function_ref<Value(Builder &, ValueRange, Value)>;

Value foldFrom(Builder &b, ValueRange extents, SmallVector<Value> indices, Value first, Body body) {
  if (indices.size() == extents.size())
    return body(b, indices, first);
  Value zero = b.create<arith::ConstantIndexOp>(0), one = b.create<arith::ConstantIndexOp>(1);
  auto build = [&](OpBuilder &builder, Location loc, Value index, ValueRange carried) {
    Builder inner(loc, builder);
    SmallVector<Value> deeper = indices;
    deeper.push_back(index);
    inner.create<scf::YieldOp>(foldFrom(inner, extents, deeper, carried.front(), body));
  };
  return b.create<scf::ForOp>(zero, extents[indices.size()], one, ValueRange{first}, build).getResult(0);
}

} // namespace

Value emitFold(Builder &b, ValueRange extents, Value first, Body body) { return foldFrom(b, extents, {}, first, body); }

} // namespace kvasir::mil
