// SPDX-License-Identifier: MIT
// Ops that go through the elements along dims: sums, means, norms, softmax.
#include "compiler/models/mil/families.h"
#include "compiler/models/mil/loops.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Step { none, square, absolute, exponential };
enum class Join { sum, product, most, least };
enum class Finish { none, mean, root, logarithm };

struct Reduction {
  const char *name;
  Step step;
  Join join;
  Finish finish;
};

constexpr Reduction kReductions[] = {
    {"reduce_l1_norm", Step::absolute, Join::sum, Finish::none},
    {"reduce_l2_norm", Step::square, Join::sum, Finish::root},
    {"reduce_log_sum", Step::none, Join::sum, Finish::logarithm},
    {"reduce_log_sum_exp", Step::exponential, Join::sum, Finish::logarithm},
    {"reduce_max", Step::none, Join::most, Finish::none},
    {"reduce_mean", Step::none, Join::sum, Finish::mean},
    {"reduce_min", Step::none, Join::least, Finish::none},
    {"reduce_prod", Step::none, Join::product, Finish::none},
    {"reduce_sum", Step::none, Join::sum, Finish::none},
    {"reduce_sum_square", Step::square, Join::sum, Finish::none},
};

Value constantOf(Builder &b, Type type, double number) {
  if (isa<FloatType>(type))
    return b.create<arith::ConstantOp>(b.getFloatAttr(type, number));
  const unsigned bits = type.getIntOrFloatBitWidth();
  const int64_t most = bits >= 64 ? INT64_MAX : (int64_t(1) << (bits - 1)) - 1;
  const int64_t whole = number == kInfinity ? most : number == -kInfinity ? -most - 1 : int64_t(number);
  return b.create<arith::ConstantOp>(b.getIntegerAttr(type, whole));
}

double neutralOf(Join join) {
  return join == Join::sum ? 0 : join == Join::product ? 1 : join == Join::most ? -kInfinity : kInfinity;
}

Value joinTwo(Builder &b, Join join, Value lhs, Value rhs) {
  const bool isFloat = isa<FloatType>(lhs.getType());
  switch (join) {
  case Join::sum:
    return isFloat ? b.create<arith::AddFOp>(lhs, rhs).getResult() : b.create<arith::AddIOp>(lhs, rhs).getResult();
  case Join::product:
    return isFloat ? b.create<arith::MulFOp>(lhs, rhs).getResult() : b.create<arith::MulIOp>(lhs, rhs).getResult();
  case Join::most:
    return isFloat ? b.create<arith::MaximumFOp>(lhs, rhs).getResult() : b.create<arith::MaxSIOp>(lhs, rhs).getResult();
  case Join::least:
    return isFloat ? b.create<arith::MinimumFOp>(lhs, rhs).getResult() : b.create<arith::MinSIOp>(lhs, rhs).getResult();
  }
  return {};
}

Value applyStep(Builder &b, Step step, Value x) {
  const bool isFloat = isa<FloatType>(x.getType());
  if (step == Step::square)
    return joinTwo(b, Join::product, x, x);
  if (step == Step::absolute)
    return isFloat ? b.create<math::AbsFOp>(x).getResult() : b.create<math::AbsIOp>(x).getResult();
  return step == Step::exponential ? b.create<math::ExpOp>(x).getResult() : x;
}

/// Which dims are reduced; all where no axes are given.
SmallVector<bool> reducedDims(OpImport &op, int64_t rank) {
  SmallVector<bool> isReduced(rank, !op.has("axes"));
  if (op.has("axes"))
    for (int64_t axis : op.integers("axes"))
      if (const int64_t at = op.axis(axis, rank); at < rank)
        isReduced[at] = true;
  return isReduced;
}

SmallVector<Value> extentsOf(ArrayRef<Scalar> dims, ArrayRef<bool> isReduced) {
  SmallVector<Value> extents;
  for (auto [dim, reduced] : llvm::zip_equal(dims, isReduced))
    if (reduced)
      extents.push_back(dim.value);
  return extents;
}

/// The dims of a result: reduced ones are 1 or go.
Scalars dimsOf(OpImport &op, const Tensor &x, ArrayRef<bool> isReduced, bool keepsDims) {
  Scalars dims;
  for (auto [dim, reduced] : llvm::zip_equal(x.dims, isReduced))
    if (!reduced || keepsDims)
      dims.push_back(reduced ? op.scalars.constant(1) : dim);
  return dims;
}

/// The indices of x where the kept dims are at `outer` and the reduced ones at `inner`.
SmallVector<Value> merged(ArrayRef<bool> isReduced, ValueRange outer, ValueRange inner) {
  SmallVector<Value> indices;
  for (bool reduced : isReduced) {
    indices.push_back(reduced ? inner.front() : outer.front());
    (reduced ? inner : outer) = (reduced ? inner : outer).drop_front();
  }
  return indices;
}

/// What of the indices of a result belongs to kept dims.
SmallVector<Value> keptOf(ArrayRef<bool> isReduced, ValueRange indices, bool keepsDims) {
  SmallVector<Value> kept;
  for (auto [i, reduced] : llvm::enumerate(isReduced)) {
    if (!reduced)
      kept.push_back(indices.front());
    if (!reduced || keepsDims)
      indices = indices.drop_front();
  }
  return kept;
}

Value countOf(Builder &b, ValueRange extents, Type type) {
  Value count = b.create<arith::ConstantIndexOp>(1);
  for (Value extent : extents)
    count = b.create<arith::MulIOp>(count, extent);
  Value whole = b.create<arith::IndexCastOp>(b.getI64Type(), count);
  return b.create<arith::SIToFPOp>(type, whole);
}

Value finished(Builder &b, Finish finish, Value value, ValueRange extents) {
  if (finish == Finish::mean)
    return b.create<arith::DivFOp>(value, countOf(b, extents, value.getType()));
  if (finish == Finish::root)
    return b.create<math::SqrtOp>(value);
  return finish == Finish::logarithm ? b.create<math::LogOp>(value).getResult() : value;
}
} // namespace

void importReduction(OpImport &op) {
  const Reduction &row = *llvm::find_if(kReductions, [&](const Reduction &r) { return op.operation.type == r.name; });
  Tensor x = op.tensor("x");
  const SmallVector<bool> isReduced = reducedDims(op, x.rank());
  const bool keepsDims = op.flag("keep_dims", false);
  if (isInteger(x.element) && row.finish != Finish::none)
    return op.fail("gives fractions of integers, which is not compiled");
  if (op.failed())
    return;
  Scalars dims = dimsOf(op, x, isReduced, keepsDims);
  Value source = op.valueOf(x);
  SmallVector<Value> extents = extentsOf(x.dims, isReduced);
  Value result = emitGenerate(op, x.element, dims, [&](Builder &b, ValueRange indices) -> Value {
    SmallVector<Value> kept = keptOf(isReduced, indices, keepsDims);
    const auto fold = [&](Join join, Step step, Value shift) {
      Value first = constantOf(b, computeType(b.getContext(), x.element), neutralOf(join));
      return emitFold(b, extents, first, [&](Builder &inner, ValueRange at, Value soFar) {
        Value element = extract(inner, source, merged(isReduced, kept, at));
        if (shift)
          element = inner.create<arith::SubFOp>(element, shift);
        return joinTwo(inner, join, soFar, applyStep(inner, step, element));
      });
    };
    if (row.step != Step::exponential)
      return finished(b, row.finish, fold(row.join, row.step, Value()), extents);
    // Powers of what is at most 0, so that none overflows; of infinities there is nothing to take away.
    Value most = fold(Join::most, Step::none, Value()), zero = constantOf(b, most.getType(), 0);
    Value isFinite = b.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, b.create<math::AbsFOp>(most),
                                             constantOf(b, most.getType(), kInfinity));
    Value shift = b.create<arith::SelectOp>(isFinite, most, zero);
    Value logarithm = finished(b, row.finish, fold(row.join, row.step, shift), extents);
    return b.create<arith::AddFOp>(logarithm, shift).getResult();
  });
  op.set(op.make(x.element, dims, result));
}

/// e^(x - max) / sum along the axis.
void importSoftmax(OpImport &op) {
  Tensor x = op.tensor("x");
  const int64_t axis = op.axis(op.integer("axis", -1), x.rank());
  if (op.failed())
    return;
  SmallVector<bool> isReduced(x.rank());
  isReduced[axis] = true;
  Scalars dims = dimsOf(op, x, isReduced, /*keepsDims=*/false);
  Value source = op.valueOf(x);
  SmallVector<Value> extents{x.dims[axis].value};
  auto fold = [&](double first, function_ref<Value(Builder &, ValueRange, ValueRange, Value)> body) {
    return emitGenerate(op, Element::f32, dims, [&](Builder &b, ValueRange kept) {
      return emitFold(b, extents, constantOf(b, b.getF32Type(), first),
                      [&](Builder &inner, ValueRange at, Value soFar) { return body(inner, kept, at, soFar); });
    });
  };
  Value most = fold(-kInfinity, [&](Builder &b, ValueRange kept, ValueRange at, Value soFar) -> Value {
    return b.create<arith::MaximumFOp>(soFar, extract(b, source, merged(isReduced, kept, at)));
  });
  auto powerAt = [&](Builder &b, ValueRange kept, ValueRange at) -> Value {
    Value element = extract(b, source, merged(isReduced, kept, at));
    return b.create<math::ExpOp>(b.create<arith::SubFOp>(element, extract(b, most, kept)));
  };
  Value sum = fold(0, [&](Builder &b, ValueRange kept, ValueRange at, Value soFar) -> Value {
    return b.create<arith::AddFOp>(soFar, powerAt(b, kept, at));
  });
  Value result = emitGenerate(op, x.element, x.dims, [&](Builder &b, ValueRange indices) -> Value {
    SmallVector<Value> kept = keptOf(isReduced, indices, /*keepsDims=*/true);
    return b.create<arith::DivFOp>(powerAt(b, kept, ValueRange{indices[axis]}), extract(b, sum, kept));
  });
  op.set(op.make(x.element, x.dims, result));
}

namespace {
/// gamma and beta, each null without one: a number for each place in the dims that are scaled.
SmallVector<Value> normFactors(OpImport &op, const Tensor &x, ArrayRef<bool> isScaled) {
  Scalars scaled;
  for (auto [dim, hasFactor] : llvm::zip_equal(x.dims, isScaled))
    if (hasFactor)
      scaled.push_back(dim);
  SmallVector<Value> factors;
  for (const char *name : {"gamma", "beta"}) {
    const Tensor given = op.has(name) ? op.tensor(name) : Tensor();
    factors.push_back(op.has(name) ? op.valueOf(given) : Value());
    if (op.has(name) && (given.dims.size() != scaled.size() || isInteger(given.element)))
      op.fail(Twine("has a '") + name + "' of another shape than what it norms");
    for (auto [own, dim] : llvm::zip(given.dims, scaled))
      op.refuseIf(op.scalars.compare(arith::CmpIPredicate::ne, own, dim),
                  Twine("has a '") + name + "' of another shape than what it norms");
  }
  return factors;
}

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta: mean and variance over the dims that are reduced.
void setNormed(OpImport &op, const Tensor &x, ArrayRef<bool> isReduced, ArrayRef<bool> isScaled) {
  const double epsilon = op.real("epsilon", 1e-5);
  const Scalars kept = dimsOf(op, x, isReduced, /*keepsDims=*/false);
  const SmallVector<Value> factors = normFactors(op, x, isScaled);
  if (isInteger(x.element))
    op.fail("norms integers");
  if (op.failed())
    return;
  Value source = op.valueOf(x);
  SmallVector<Value> extents = extentsOf(x.dims, isReduced);
  auto average = [&](function_ref<Value(Builder &, ValueRange, Value)> of) {
    return emitGenerate(op, Element::f32, kept, [&](Builder &b, ValueRange outer) {
      Value sum = emitFold(b, extents, constantOf(b, b.getF32Type(), 0),
                           [&](Builder &inner, ValueRange at, Value soFar) -> Value {
                             Value element = extract(inner, source, merged(isReduced, outer, at));
                             return inner.create<arith::AddFOp>(soFar, of(inner, outer, element));
                           });
      return finished(b, Finish::mean, sum, extents);
    });
  };
  Value mean = average([](Builder &, ValueRange, Value element) { return element; });
  Value variance = average([&](Builder &b, ValueRange outer, Value element) {
    Value off = b.create<arith::SubFOp>(element, extract(b, mean, outer));
    return b.create<arith::MulFOp>(off, off).getResult();
  });
  Value result = emitGenerate(op, x.element, x.dims, [&](Builder &b, ValueRange indices) -> Value {
    SmallVector<Value> outer, inner;
    for (auto [index, reduced, hasFactor] : llvm::zip_equal(indices, isReduced, isScaled)) {
      if (!reduced)
        outer.push_back(index);
      if (hasFactor)
        inner.push_back(index);
    }
    Value off = b.create<arith::SubFOp>(extract(b, source, indices), extract(b, mean, outer));
    Value spread = b.create<arith::AddFOp>(extract(b, variance, outer), constantOf(b, b.getF32Type(), epsilon));
    Value value = b.create<arith::DivFOp>(off, b.create<math::SqrtOp>(spread));
    if (factors[0])
      value = b.create<arith::MulFOp>(value, extract(b, factors[0], inner));
    return factors[1] ? b.create<arith::AddFOp>(value, extract(b, factors[1], inner)).getResult() : value;
  });
  op.set(op.make(x.element, x.dims, result));
}
} // namespace

/// Over the axes, with a gamma and beta for each place in them.
void importLayerNorm(OpImport &op) {
  Tensor x = op.tensor("x");
  const SmallVector<bool> isReduced = reducedDims(op, x.rank());
  setNormed(op, x, isReduced, isReduced);
}

/// Over all dims after the first two, with a gamma and beta for each channel.
void importInstanceNorm(OpImport &op) {
  Tensor x = op.tensor("x");
  if (x.rank() < 3)
    return op.fail("has an input of fewer than three dims");
  SmallVector<bool> isReduced(x.rank(), true), isScaled(x.rank(), false);
  isReduced[0] = isReduced[1] = false;
  isScaled[1] = true;
  setNormed(op, x, isReduced, isScaled);
}

/// x / sqrt(sum of squares + epsilon) over the last three dims.
void importL2Norm(OpImport &op) {
  Tensor x = op.tensor("x");
  const double epsilon = op.real("epsilon", 1e-6);
  if (x.rank() < 3 || isInteger(x.element))
    return op.fail("has an input of fewer than three dims, or of integers");
  SmallVector<bool> isReduced(x.rank(), false);
  std::fill(isReduced.end() - 3, isReduced.end(), true);
  Value source = op.valueOf(x);
  Value lengths =
      emitGenerate(op, Element::f32, dimsOf(op, x, isReduced, /*keepsDims=*/false), [&](Builder &b, ValueRange outer) {
        Value sum = emitFold(b, extentsOf(x.dims, isReduced), constantOf(b, b.getF32Type(), epsilon),
                             [&](Builder &inner, ValueRange at, Value soFar) {
                               Value element = extract(inner, source, merged(isReduced, outer, at));
                               return joinTwo(inner, Join::sum, soFar, applyStep(inner, Step::square, element));
                             });
        return finished(b, Finish::root, sum, {});
      });
  Value result = emitGenerate(op, x.element, x.dims, [&](Builder &b, ValueRange indices) -> Value {
    return b.create<arith::DivFOp>(extract(b, source, indices), extract(b, lengths, indices.drop_back(3)));
  });
  op.set(op.make(x.element, x.dims, result));
}

/// The index of the first largest or smallest element along the axis, as i32.
void importArgument(OpImport &op) {
  Tensor x = op.tensor("x");
  const bool isMost = op.operation.type == "reduce_argmax", keepsDims = op.flag("keep_dims", false);
  const int64_t axis = op.axis(op.integer("axis", -1), x.rank());
  if (op.failed())
    return;
  SmallVector<bool> isReduced(x.rank());
  isReduced[axis] = true;
  Scalars dims = dimsOf(op, x, isReduced, keepsDims);
  Value source = op.valueOf(x);
  Value result = emitGenerate(op, Element::i32, dims, [&](Builder &b, ValueRange indices) -> Value {
    SmallVector<Value> kept = keptOf(isReduced, indices, keepsDims);
    Value zero = b.create<arith::ConstantIndexOp>(0);
    Value best = emitFold(b, {x.dims[axis].value}, zero, [&](Builder &inner, ValueRange at, Value soFar) -> Value {
      Value element = extract(inner, source, merged(isReduced, kept, at));
      Value held = extract(inner, source, merged(isReduced, kept, ValueRange{soFar}));
      Value isBetter;
      if (isInteger(x.element))
        isBetter =
            inner.create<arith::CmpIOp>(isMost ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::slt, element, held);
      else
        isBetter =
            inner.create<arith::CmpFOp>(isMost ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, element, held);
      return inner.create<arith::SelectOp>(isBetter, at.front(), soFar);
    });
    return b.create<arith::IndexCastOp>(b.getI32Type(), best);
  });
  op.set(op.make(Element::i32, dims, result));
}

/// The sum of the elements up to each, along the axis; in reverse from each to the last. Exclusive: without its own.
void importCumulativeSum(OpImport &op) {
  Tensor x = op.tensor("x");
  const int64_t axis = op.axis(op.integer("axis", 0), x.rank());
  const bool isExclusive = op.flag("exclusive", false), isReverse = op.flag("reverse", false);
  if (op.failed())
    return;
  Value source = op.valueOf(x), extent = x.dims[axis].value;
  Value result = emitGenerate(op, x.element, x.dims, [&](Builder &b, ValueRange indices) -> Value {
    Value last = b.create<arith::SubIOp>(extent, b.create<arith::ConstantIndexOp>(1));
    const auto fromSide = [&](Builder &at, Value index) {
      return isReverse ? at.create<arith::SubIOp>(last, index).getResult() : index;
    };
    Value count =
        b.create<arith::AddIOp>(fromSide(b, indices[axis]), b.create<arith::ConstantIndexOp>(isExclusive ? 0 : 1));
    Value first = constantOf(b, computeType(b.getContext(), x.element), 0);
    return emitFold(b, {count}, first, [&](Builder &inner, ValueRange at, Value soFar) {
      SmallVector<Value> own(indices);
      own[axis] = fromSide(inner, at.front());
      return joinTwo(inner, Join::sum, soFar, extract(inner, source, own));
    });
  });
  op.set(op.make(x.element, x.dims, result));
}

} // namespace kvasir::mil
