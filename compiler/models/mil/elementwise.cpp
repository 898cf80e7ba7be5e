// SPDX-License-Identifier: MIT
// Ops whose elements are computed one by one, from those at the same place of their operands.
#include "compiler/models/mil/elementwise.h"

#include "compiler/models/mil/families.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using Predicate = arith::CmpIPredicate;

/// What the body of an op knows besides its elements.
struct ElementFacts {
  bool isFloat, isSigned;
};

using Compute = Value (*)(Builder &, ValueRange, ElementFacts);
using ComputeScalar = Scalar (*)(ScalarBuilder &, ArrayRef<Scalar>);

/// `scalar`: the same on integers that are computed with one by one; null where nothing offsets depend on needs it.
struct Elementwise {
  const char *name;
  Compute compute;
  ComputeScalar scalar = nullptr;
  bool isTruth = false; ///< the result is bool
};

Value constantLike(Builder &b, Value value, double number) {
  Type type = value.getType();
  if (isa<FloatType>(type))
    return b.create<arith::ConstantOp>(b.getFloatAttr(type, number));
  return b.create<arith::ConstantOp>(b.getIntegerAttr(type, int64_t(number)));
}

template <typename Float, typename Signed, typename Unsigned = Signed>
Value choose(Builder &b, ValueRange x, ElementFacts facts) {
  if (facts.isFloat)
    return b.create<Float>(x[0], x[1]);
  return facts.isSigned ? b.create<Signed>(x[0], x[1]).getResult() : b.create<Unsigned>(x[0], x[1]).getResult();
}

/// Integers divide by 1 where the divisor is 0.
Value safeDivisor(Builder &b, Value divisor) {
  Value zero = constantLike(b, divisor, 0), one = constantLike(b, divisor, 1);
  Value isZero = b.create<arith::CmpIOp>(Predicate::eq, divisor, zero);
  return b.create<arith::SelectOp>(isZero, one, divisor);
}

/// The negative numbers by 1 instead of numbers by -1: the machine traps where the least one has no negative.
std::pair<Value, Value> safeSigned(Builder &b, ValueRange x) {
  Value divisor = safeDivisor(b, x[1]), zero = constantLike(b, divisor, 0), one = constantLike(b, divisor, 1);
  Value isMinus = b.create<arith::CmpIOp>(Predicate::eq, divisor, constantLike(b, divisor, -1));
  Value negative = b.create<arith::SubIOp>(zero, x[0]);
  return {b.create<arith::SelectOp>(isMinus, negative, x[0]), b.create<arith::SelectOp>(isMinus, one, divisor)};
}

Value divide(Builder &b, ValueRange x, ElementFacts facts) {
  if (facts.isFloat)
    return b.create<arith::DivFOp>(x[0], x[1]);
  if (!facts.isSigned)
    return b.create<arith::DivUIOp>(x[0], safeDivisor(b, x[1]));
  auto [dividend, divisor] = safeSigned(b, x);
  return b.create<arith::DivSIOp>(dividend, divisor);
}

Value floorDivide(Builder &b, ValueRange x, ElementFacts facts) {
  if (facts.isFloat)
    return b.create<math::FloorOp>(b.create<arith::DivFOp>(x[0], x[1]));
  if (!facts.isSigned)
    return b.create<arith::DivUIOp>(x[0], safeDivisor(b, x[1]));
  auto [dividend, divisor] = safeSigned(b, x);
  return b.create<arith::FloorDivSIOp>(dividend, divisor);
}

/// With the divisor's sign.
Value modulo(Builder &b, ValueRange x, ElementFacts facts) {
  if (!facts.isFloat && !facts.isSigned)
    return b.create<arith::RemUIOp>(x[0], safeDivisor(b, x[1]));
  Value zero = constantLike(b, x[0], 0);
  if (!facts.isFloat) {
    auto [dividend, divisor] = safeSigned(b, x);
    Value rest = b.create<arith::RemSIOp>(dividend, divisor);
    Value isRest = b.create<arith::CmpIOp>(Predicate::ne, rest, zero);
    Value restNegative = b.create<arith::CmpIOp>(Predicate::slt, rest, zero);
    Value negative = b.create<arith::CmpIOp>(Predicate::slt, divisor, zero);
    Value differs = b.create<arith::XOrIOp>(restNegative, negative);
    Value moved = b.create<arith::AddIOp>(rest, divisor);
    return b.create<arith::SelectOp>(b.create<arith::AndIOp>(isRest, differs), moved, rest);
  }
  Value rest = b.create<arith::SubFOp>(
      x[0], b.create<arith::MulFOp>(x[1], b.create<math::FloorOp>(b.create<arith::DivFOp>(x[0], x[1]))));
  return rest;
}

Value power(Builder &b, ValueRange x, ElementFacts) { return b.create<math::PowFOp>(x[0], x[1]); }

template <arith::CmpFPredicate kFloat, Predicate kSigned, Predicate kUnsigned = kSigned>
Value compare(Builder &b, ValueRange x, ElementFacts facts) {
  if (facts.isFloat)
    return b.create<arith::CmpFOp>(kFloat, x[0], x[1]);
  return b.create<arith::CmpIOp>(facts.isSigned ? kSigned : kUnsigned, x[0], x[1]);
}

template <Predicate kPredicate> Scalar compareScalars(ScalarBuilder &b, ArrayRef<Scalar> x) {
  return b.compare(kPredicate, x[0], x[1]);
}

template <typename Op> Value binary(Builder &b, ValueRange x, ElementFacts) { return b.create<Op>(x[0], x[1]); }

template <Scalar (ScalarBuilder::*kMethod)(const Scalar &, const Scalar &)>
Scalar method(ScalarBuilder &b, ArrayRef<Scalar> x) {
  return (b.*kMethod)(x[0], x[1]);
}

constexpr Elementwise kBinary[] = {
    {"add", choose<arith::AddFOp, arith::AddIOp>, method<&ScalarBuilder::add>},
    {"equal", compare<arith::CmpFPredicate::OEQ, Predicate::eq>, compareScalars<Predicate::eq>, true},
    {"floor_div", floorDivide},
    {"greater", compare<arith::CmpFPredicate::OGT, Predicate::sgt, Predicate::ugt>, compareScalars<Predicate::sgt>,
     true},
    {"greater_equal", compare<arith::CmpFPredicate::OGE, Predicate::sge, Predicate::uge>,
     compareScalars<Predicate::sge>, true},
    {"less", compare<arith::CmpFPredicate::OLT, Predicate::slt, Predicate::ult>, compareScalars<Predicate::slt>, true},
    {"less_equal", compare<arith::CmpFPredicate::OLE, Predicate::sle, Predicate::ule>, compareScalars<Predicate::sle>,
     true},
    {"logical_and", binary<arith::AndIOp>, method<&ScalarBuilder::multiply>, true},
    {"logical_or", binary<arith::OrIOp>, method<&ScalarBuilder::larger>, true},
    {"logical_xor", binary<arith::XOrIOp>, compareScalars<Predicate::ne>, true},
    {"maximum", choose<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>, method<&ScalarBuilder::larger>},
    {"minimum", choose<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>, method<&ScalarBuilder::smaller>},
    {"mod", modulo},
    {"mul", choose<arith::MulFOp, arith::MulIOp>, method<&ScalarBuilder::multiply>},
    {"not_equal", compare<arith::CmpFPredicate::UNE, Predicate::ne>, compareScalars<Predicate::ne>, true},
    {"pow", power},
    {"real_div", divide, method<&ScalarBuilder::divide>},
    {"sub", choose<arith::SubFOp, arith::SubIOp>, method<&ScalarBuilder::subtract>},
};

template <typename Op> Value unary(Builder &b, ValueRange x, ElementFacts) { return b.create<Op>(x[0]); }

Value absolute(Builder &b, ValueRange x, ElementFacts facts) {
  if (facts.isFloat)
    return b.create<math::AbsFOp>(x[0]);
  return facts.isSigned ? b.create<math::AbsIOp>(x[0]).getResult() : x[0];
}

Value sign(Builder &b, ValueRange x, ElementFacts facts) {
  Value zero = constantLike(b, x[0], 0), one = constantLike(b, x[0], 1), less = constantLike(b, x[0], -1);
  Value isMore = compare<arith::CmpFPredicate::OGT, Predicate::sgt>(b, {x[0], zero}, facts);
  Value isLess = compare<arith::CmpFPredicate::OLT, Predicate::slt>(b, {x[0], zero}, facts);
  return b.create<arith::SelectOp>(isMore, one, b.create<arith::SelectOp>(isLess, less, zero));
}

Value square(Builder &b, ValueRange x, ElementFacts facts) {
  return choose<arith::MulFOp, arith::MulIOp>(b, {x[0], x[0]}, facts);
}

/// 1 / (1 + e^-x)
Value sigmoid(Builder &b, ValueRange x, ElementFacts) {
  Value one = constantLike(b, x[0], 1);
  Value power = b.create<math::ExpOp>(b.create<arith::NegFOp>(x[0]));
  return b.create<arith::DivFOp>(one, b.create<arith::AddFOp>(one, power));
}

Value silu(Builder &b, ValueRange x, ElementFacts facts) { return b.create<arith::MulFOp>(x[0], sigmoid(b, x, facts)); }

Value relu(Builder &b, ValueRange x, ElementFacts facts) {
  return choose<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(b, {x[0], constantLike(b, x[0], 0)}, facts);
}

/// min(max(x, 0), 6)
Value relu6(Builder &b, ValueRange x, ElementFacts facts) {
  return choose<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(b, {relu(b, x, facts), constantLike(b, x[0], 6)},
                                                                   facts);
}

/// x / (1 + |x|)
Value softsign(Builder &b, ValueRange x, ElementFacts) {
  return b.create<arith::DivFOp>(x[0], b.create<arith::AddFOp>(constantLike(b, x[0], 1), b.create<math::AbsFOp>(x[0])));
}

Value logicalNot(Builder &b, ValueRange x, ElementFacts) {
  return b.create<arith::XOrIOp>(x[0], constantLike(b, x[0], 1));
}

/// ln(1 + e^x), without overflow: max(x, 0) + ln(1 + e^-|x|)
Value softplus(Builder &b, ValueRange x, ElementFacts facts) {
  Value one = constantLike(b, x[0], 1);
  Value power = b.create<math::ExpOp>(b.create<arith::NegFOp>(b.create<math::AbsFOp>(x[0])));
  return b.create<arith::AddFOp>(relu(b, x, facts), b.create<math::LogOp>(b.create<arith::AddFOp>(one, power)));
}

Scalar notScalar(ScalarBuilder &b, ArrayRef<Scalar> x) { return b.compare(Predicate::eq, x[0], b.constant(0)); }

constexpr Elementwise kUnary[] = {
    {"abs", absolute},
    {"ceil", unary<math::CeilOp>},
    {"cos", unary<math::CosOp>},
    {"erf", unary<math::ErfOp>},
    {"exp", unary<math::ExpOp>},
    {"exp2", unary<math::Exp2Op>},
    {"floor", unary<math::FloorOp>},
    {"logical_not", logicalNot, notScalar, true},
    {"relu", relu},
    {"relu6", relu6},
    {"round", unary<math::RoundEvenOp>},
    {"sigmoid", sigmoid},
    {"sign", sign},
    {"silu", silu},
    {"sin", unary<math::SinOp>},
    {"softplus", softplus},
    {"softsign", softsign},
    {"sqrt", unary<math::SqrtOp>},
    {"square", square},
    {"tanh", unary<math::TanhOp>},
};

ElementFacts factsOf(Element element) { return {!isInteger(element), isSigned(element)}; }

template <size_t N> const Elementwise &rowOf(const Elementwise (&table)[N], StringRef name) {
  return *llvm::find_if(table, [&](const Elementwise &row) { return name == row.name; });
}

/// Element by element of small tensors, which the shorter one's single element or rank 0 joins.
void importScalars(OpImport &op, const Elementwise &row, ArrayRef<Tensor> operands, Element element) {
  SmallVector<Scalars> lists;
  size_t count = 1;
  Scalars dims;
  for (const Tensor &operand : operands) {
    lists.push_back(op.scalarsOf(operand));
    if (operand.rank() == 1 && (dims.empty() || lists.back().size() != 1)) {
      dims = operand.dims;
      count = lists.back().size();
    }
  }
  Scalars result;
  for (size_t i = 0; i < count; ++i) {
    SmallVector<Scalar> elements;
    for (const Scalars &list : lists) {
      if (list.size() != 1 && list.size() != count)
        return op.fail("has operands of " + Twine(list.size()) + " and " + Twine(count) + " elements");
      elements.push_back(list[list.size() == 1 ? 0 : i]);
    }
    result.push_back(op.scalars.wrap(row.scalar(op.scalars, elements), element));
  }
  op.set(op.make(element, dims, std::move(result)));
}

void importRow(OpImport &op, const Elementwise &row, ArrayRef<Tensor> operands) {
  const Element of = operands.front().element;
  for (const Tensor &operand : operands)
    if (operand.element != of)
      return op.fail("has operands of different element types");
  const Element element = row.isTruth ? Element::boolean : of;
  const auto isSmall = [&](const Tensor &operand) { return op.isSmall(operand); };
  if (row.scalar && llvm::all_of(operands, isSmall))
    return importScalars(op, row, operands, element);
  const ElementFacts facts = factsOf(of);
  setElementwise(op, operands, element, [&](Builder &b, ValueRange x) { return row.compute(b, x, facts); });
}
} // namespace

Value emitUnary(Builder &b, StringRef name, Value x) { return rowOf(kUnary, name).compute(b, x, {true, true}); }

Value emitBinary(Builder &b, StringRef name, Value lhs, Value rhs, Element element) {
  return rowOf(kBinary, name).compute(b, {lhs, rhs}, factsOf(element));
}

void importBinary(OpImport &op) { importRow(op, rowOf(kBinary, op.operation.type), {op.tensor("x"), op.tensor("y")}); }

void importUnary(OpImport &op) { importRow(op, rowOf(kUnary, op.operation.type), {op.tensor("x")}); }

void importIdentity(OpImport &op) { op.set(op.tensor("x")); }

/// a where the condition holds, else b; the condition broadcasts like the others.
void importSelect(OpImport &op) {
  Tensor condition = op.tensor("cond"), a = op.tensor("a"), b = op.tensor("b");
  if (a.element != b.element || condition.element != Element::boolean)
    return op.fail("chooses between different element types, or by no bool");
  if (op.isSmall(condition) && op.isSmall(a) && op.isSmall(b)) {
    Elementwise row{"select", nullptr,
                    [](ScalarBuilder &builder, ArrayRef<Scalar> x) { return builder.select(x[0], x[1], x[2]); }};
    return importScalars(op, row, {condition, a, b}, a.element);
  }
  setElementwise(op, {condition, a, b}, a.element,
                 [](Builder &inner, ValueRange x) -> Value { return inner.create<arith::SelectOp>(x[0], x[1], x[2]); });
}

/// With epsilon: rsqrt 1 / sqrt(x + epsilon), inverse 1 / (x + epsilon), log ln(x + epsilon).
void importWithEpsilon(OpImport &op) {
  const std::string &type = op.operation.type;
  const double epsilon = op.real("epsilon", type == "rsqrt" ? 1e-12 : type == "inverse" ? 1e-4 : 1e-45);
  Tensor x = op.tensor("x");
  setElementwise(op, {x}, x.element, [&](Builder &b, ValueRange in) -> Value {
    Value sum = b.create<arith::AddFOp>(in[0], constantLike(b, in[0], epsilon));
    if (type == "log")
      return b.create<math::LogOp>(sum);
    Value divisor = type == "rsqrt" ? b.create<math::SqrtOp>(sum).getResult() : sum;
    return b.create<arith::DivFOp>(constantLike(b, sum, 1), divisor);
  });
}

} // namespace kvasir::mil
