// SPDX-License-Identifier: MIT
// Attention as one op: softmax(query key^T scale + mask) value, in f32, rounded once.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>
#include <limits>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

Value realOf(Builder &b, double number) { return b.create<arith::ConstantOp>(b.getF32FloatAttr(float(number))); }

/// query, key and value agree in all but the rows; key and value in those.
void checkOperands(OpImport &op, const Tensor &query, const Tensor &key, const Tensor &value) {
  const int64_t rank = query.rank();
  if (rank < 3 || key.rank() != rank || value.rank() != rank || key.element != query.element ||
      value.element != query.element)
    return op.fail("has query, key and value of different or fewer than three dims, or of different element types");
  const auto require = [&](const Scalar &lhs, const Scalar &rhs) {
    op.refuseIf(op.scalars.compare(arith::CmpIPredicate::ne, lhs, rhs), "has query, key and value that do not fit");
  };
  for (int64_t i = 0; i + 2 < rank; ++i) {
    require(key.dims[i], query.dims[i]);
    require(value.dims[i], query.dims[i]);
  }
  require(key.dims[rank - 1], query.dims[rank - 1]);
  require(value.dims[rank - 2], key.dims[rank - 2]);
}

/// […, L, S]: query key^T scale, and the mask: added, or what takes part where it is bool.
Tensor scoresOf(OpImport &op, const Tensor &query, const Tensor &key) {
  const Scalar width = query.dims.back();
  const double otherwise = width.constant() ? 1 / std::sqrt(double(*width.constant())) : 0;
  const double scale = op.real("scale", otherwise);
  if (!width.constant())
    op.fail("has a width that only a call knows");
  Scalars dims = query.dims;
  dims.back() = key.dims[key.rank() - 2];
  Value queries = op.valueOf(query), keys = op.valueOf(key);
  Value products = emitGenerate(op, Element::f32, dims, [&](Builder &b, ValueRange indices) -> Value {
    Value sum = emitFold(b, {width.value}, realOf(b, 0), [&](Builder &inner, ValueRange at, Value soFar) -> Value {
      SmallVector<Value> left(indices), right(indices);
      left.back() = at.front();
      right[right.size() - 2] = indices.back();
      right.back() = at.front();
      Value product = inner.create<arith::MulFOp>(extract(inner, queries, left), extract(inner, keys, right));
      return inner.create<arith::AddFOp>(soFar, product);
    });
    return b.create<arith::MulFOp>(sum, realOf(b, scale));
  });
  Tensor scores = op.make(Element::f32, dims, products);
  if (!op.has("attn_mask"))
    return scores;
  Tensor mask = op.tensor("attn_mask");
  Scalars same;
  Value masked = emitElementwise(
      op, {scores, mask}, Element::f32, same,
      [&](Builder &b, ValueRange x) -> Value {
        if (mask.element != Element::boolean)
          return b.create<arith::AddFOp>(x[0], x[1]);
        return b.create<arith::SelectOp>(x[1], x[0], realOf(b, -std::numeric_limits<double>::infinity()));
      },
      /*isFixed=*/true);
  return op.make(Element::f32, dims, masked);
}

/// One number a row of the scores: body joins it with each of them.
Value rowsOf(OpImport &op, const Tensor &scores, double first,
             function_ref<Value(Builder &, ValueRange, Value, Value)> body) {
  Scalars dims(ArrayRef(scores.dims).drop_back());
  return emitGenerate(op, Element::f32, dims, [&](Builder &b, ValueRange row) {
    return emitFold(b, {scores.dims.back().value}, realOf(b, first), [&](Builder &inner, ValueRange at, Value soFar) {
      SmallVector<Value> own(row);
      own.push_back(at.front());
      return body(inner, row, extract(inner, scores.value, own), soFar);
    });
  });
}

/// The scores' softmax, row by row.
Tensor softmaxOf(OpImport &op, const Tensor &scores) {
  Value most = rowsOf(op, scores, -std::numeric_limits<double>::infinity(),
                      [](Builder &b, ValueRange, Value score, Value soFar) -> Value {
                        return b.create<arith::MaximumFOp>(soFar, score);
                      });
  Scalars dims;
  Value powers = emitGenerate(op, Element::f32, scores.dims, [&](Builder &b, ValueRange indices) -> Value {
    Value off = b.create<arith::SubFOp>(extract(b, scores.value, indices), extract(b, most, indices.drop_back()));
    return b.create<math::ExpOp>(off);
  });
  Tensor power = op.make(Element::f32, scores.dims, powers);
  Value sum = rowsOf(op, power, 0, [](Builder &b, ValueRange, Value one, Value soFar) -> Value {
    return b.create<arith::AddFOp>(soFar, one);
  });
  Value shares = emitGenerate(op, Element::f32, scores.dims, [&](Builder &b, ValueRange indices) -> Value {
    return b.create<arith::DivFOp>(extract(b, powers, indices), extract(b, sum, indices.drop_back()));
  });
  return op.make(Element::f32, scores.dims, shares);
}
} // namespace

void importAttention(OpImport &op) {
  Tensor query = op.tensor("query"), key = op.tensor("key"), value = op.tensor("value");
  checkOperands(op, query, key, value);
  if (op.failed())
    return;
  Tensor scores = scoresOf(op, query, key);
  if (op.failed())
    return;
  Tensor shares = softmaxOf(op, scores);
  Scalars dims = query.dims;
  dims.back() = value.dims.back();
  Value values = op.valueOf(value);
  Value result = emitGenerate(op, query.element, dims, [&](Builder &b, ValueRange indices) -> Value {
    return emitFold(
        b, {scores.dims.back().value}, realOf(b, 0), [&](Builder &inner, ValueRange at, Value soFar) -> Value {
          SmallVector<Value> left(indices), right(indices);
          left.back() = at.front();
          right[right.size() - 2] = at.front();
          Value part = inner.create<arith::MulFOp>(extract(inner, shares.value, left), extract(inner, values, right));
          return inner.create<arith::AddFOp>(soFar, part);
        });
  });
  op.set(op.make(query.element, dims, result));
}

} // namespace kvasir::mil
