// SPDX-License-Identifier: MIT
#include "compiler/models/mil/scalars.h"

#include <algorithm>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

/// No extent or offset of a program that runs comes near.
constexpr int64_t kFar = int64_t(1) << 62;

/// What may be beyond kFar may wrap: nothing is known of it. A constant stays one.
std::pair<int64_t, int64_t> bounded(__int128 least, __int128 most) {
  const __int128 near = std::clamp<__int128>(least, -kFar, kFar), far = std::clamp<__int128>(most, -kFar, kFar);
  if (near == far || (near == least && far == most))
    return {int64_t(near), int64_t(far)};
  return {INT64_MIN, INT64_MAX};
}

} // namespace

bool isInteger(Element element) {
  switch (element) {
  case Element::string:
  case Element::f16:
  case Element::f32:
  case Element::f64:
  case Element::bf16:
  case Element::f8e4m3fn:
  case Element::f8e5m2:
    return false;
  default:
    return true;
  }
}

bool isSigned(Element element) {
  return element == Element::i4 || element == Element::i8 || element == Element::i16 || element == Element::i32 ||
         element == Element::i64;
}

std::pair<int64_t, int64_t> rangeOf(Element element) {
  const uint32_t bits = coreml::facts(element).bits;
  if (element == Element::boolean)
    return {0, 1};
  if (bits >= 64)
    return {INT64_MIN, INT64_MAX};
  const int64_t span = int64_t(1) << (isSigned(element) ? bits - 1 : bits);
  return {isSigned(element) ? -span : 0, span - 1};
}

Scalar ScalarBuilder::constant(int64_t number) {
  Scalar scalar{b.create<arith::ConstantIndexOp>(number), number, number, true, {}, 0};
  return scalar;
}

Scalar ScalarBuilder::from(Value value, int64_t least, int64_t most, bool isExtent) {
  if (least == most)
    return constant(least);
  Type type = value.getType();
  if (type.isInteger(1) || (least >= 0 && !type.isIndex()))
    value = b.create<arith::IndexCastUIOp>(b.getIndexType(), value);
  else if (!type.isIndex())
    value = b.create<arith::IndexCastOp>(b.getIndexType(), value);
  return {value, least, most, isExtent, value, 0};
}

template <typename Op> Scalar ScalarBuilder::emit(const Scalar &lhs, const Scalar &rhs, Bounds bounds) {
  const auto [least, most] = bounds;
  if (least == most)
    return constant(least);
  Value value = b.createOrFold<Op>(lhs.value, rhs.value);
  return {value, least, most, lhs.isExtent && rhs.isExtent, value, 0};
}

Scalar ScalarBuilder::add(const Scalar &lhs, const Scalar &rhs) {
  Scalar sum = emit<arith::AddIOp>(lhs, rhs, bounded(__int128(lhs.least) + rhs.least, __int128(lhs.most) + rhs.most));
  const bool isShift = lhs.constant().has_value() != rhs.constant().has_value();
  const Scalar &moved = lhs.constant() ? rhs : lhs;
  if (isShift && moved.base && !sum.constant()) {
    sum.base = moved.base;
    sum.offset = moved.offset + (lhs.constant() ? *lhs.constant() : *rhs.constant());
  }
  return sum;
}

Scalar ScalarBuilder::subtract(const Scalar &lhs, const Scalar &rhs) {
  if (lhs.base && lhs.base == rhs.base)
    return constant(lhs.offset - rhs.offset);
  if (rhs.constant())
    return add(lhs, constant(-*rhs.constant()));
  return emit<arith::SubIOp>(lhs, rhs, bounded(__int128(lhs.least) - rhs.most, __int128(lhs.most) - rhs.least));
}

Scalar ScalarBuilder::multiply(const Scalar &lhs, const Scalar &rhs) {
  if (lhs.constant() == 1)
    return rhs;
  if (rhs.constant() == 1)
    return lhs;
  const __int128 corners[] = {__int128(lhs.least) * rhs.least, __int128(lhs.least) * rhs.most,
                              __int128(lhs.most) * rhs.least, __int128(lhs.most) * rhs.most};
  return emit<arith::MulIOp>(lhs, rhs,
                             bounded(*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4)));
}

Scalar ScalarBuilder::divide(const Scalar &lhs, const Scalar &rhs) {
  if (rhs.constant() == 1)
    return lhs;
  if (lhs.base && lhs.base == rhs.base && lhs.offset == rhs.offset && lhs.least > 0)
    return constant(1);
  if (rhs.constant() == -1)
    return lhs.constant() == INT64_MIN ? lhs : subtract(constant(0), lhs);
  if (lhs.constant() && rhs.constant())
    return constant(*rhs.constant() ? *lhs.constant() / *rhs.constant() : 0);
  const int64_t most = std::max(-std::max(lhs.least, -INT64_MAX), lhs.most);
  const bool mayBeZero = rhs.least <= 0 && rhs.most >= 0;
  const bool mayTrap = lhs.least == INT64_MIN && rhs.least <= -1 && rhs.most >= -1; // the least number by -1
  const Scalar isZero = mayBeZero ? compare(arith::CmpIPredicate::eq, rhs, constant(0)) : constant(0);
  const Scalar isMinus = mayTrap ? compare(arith::CmpIPredicate::eq, rhs, constant(-1)) : constant(0);
  const Scalar safe = select(isMinus, constant(1), select(isZero, constant(1), rhs));
  const bool isNatural = lhs.least >= 0 && rhs.least > 0;
  const Scalar ratio = emit<arith::DivSIOp>(lhs, safe, {isNatural ? 0 : -most, most});
  const Scalar quotient = mayTrap ? select(isMinus, subtract(constant(0), lhs), ratio) : ratio;
  return select(isZero, constant(0), quotient);
}

Scalar ScalarBuilder::smaller(const Scalar &lhs, const Scalar &rhs) {
  if (lhs.most <= rhs.least)
    return lhs;
  if (rhs.most <= lhs.least)
    return rhs;
  return emit<arith::MinSIOp>(lhs, rhs, {std::min(lhs.least, rhs.least), std::min(lhs.most, rhs.most)});
}

Scalar ScalarBuilder::larger(const Scalar &lhs, const Scalar &rhs) {
  if (lhs.least >= rhs.most)
    return lhs;
  if (rhs.least >= lhs.most)
    return rhs;
  return emit<arith::MaxSIOp>(lhs, rhs, {std::max(lhs.least, rhs.least), std::max(lhs.most, rhs.most)});
}

Scalar ScalarBuilder::compare(arith::CmpIPredicate predicate, const Scalar &lhs, const Scalar &rhs) {
  using Predicate = arith::CmpIPredicate;
  const bool isSame = lhs.base && lhs.base == rhs.base && lhs.offset == rhs.offset;
  const bool isLess = lhs.most<rhs.least, isGreater = lhs.least> rhs.most;
  const bool isAtMost = isSame || lhs.most <= rhs.least, isAtLeast = isSame || lhs.least >= rhs.most;
  const bool isEqual = isSame || (lhs.constant() && lhs.constant() == rhs.constant());
  const auto decide = [&](bool isTrue, bool isFalse) -> std::optional<Scalar> {
    return isTrue ? std::optional(constant(1)) : isFalse ? std::optional(constant(0)) : std::nullopt;
  };
  std::optional<Scalar> known;
  switch (predicate) {
  case Predicate::eq:
    known = decide(isEqual, isLess || isGreater);
    break;
  case Predicate::ne:
    known = decide(isLess || isGreater, isEqual);
    break;
  case Predicate::slt:
    known = decide(isLess, isAtLeast);
    break;
  case Predicate::sle:
    known = decide(isAtMost, isGreater);
    break;
  case Predicate::sgt:
    known = decide(isGreater, isAtMost);
    break;
  default:
    known = decide(isAtLeast, isLess);
  }
  if (known)
    return *known;
  Value truth = b.create<arith::CmpIOp>(predicate, lhs.value, rhs.value);
  return from(truth, 0, 1, lhs.isExtent && rhs.isExtent);
}

Value ScalarBuilder::asCondition(const Scalar &scalar) {
  if (auto cast = scalar.value.getDefiningOp<arith::IndexCastUIOp>(); cast && cast.getIn().getType().isInteger(1))
    return cast.getIn();
  Value zero = b.create<arith::ConstantIndexOp>(0);
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ne, scalar.value, zero);
}

Scalar ScalarBuilder::select(const Scalar &condition, const Scalar &lhs, const Scalar &rhs) {
  if (condition.constant())
    return *condition.constant() ? lhs : rhs;
  if (lhs.value == rhs.value)
    return lhs;
  Value value = b.create<arith::SelectOp>(asCondition(condition), lhs.value, rhs.value);
  return {value,
          std::min(lhs.least, rhs.least),
          std::max(lhs.most, rhs.most),
          condition.isExtent && lhs.isExtent && rhs.isExtent,
          value,
          0};
}

Scalar ScalarBuilder::wrap(const Scalar &scalar, Element element) {
  const auto [least, most] = rangeOf(element);
  if (scalar.least >= least && scalar.most <= most)
    return scalar;
  if (element == Element::boolean)
    return compare(arith::CmpIPredicate::ne, scalar, constant(0));
  const uint32_t bits = coreml::facts(element).bits;
  if (std::optional<int64_t> number = scalar.constant()) {
    const uint64_t low = uint64_t(*number) << (64 - bits);
    return constant(isSigned(element) ? int64_t(low) >> (64 - bits) : int64_t(low >> (64 - bits)));
  }
  Value narrow = b.create<arith::IndexCastOp>(b.getIntegerType(bits), scalar.value);
  Value wide = isSigned(element) ? b.create<arith::IndexCastOp>(b.getIndexType(), narrow).getResult()
                                 : b.create<arith::IndexCastUIOp>(b.getIndexType(), narrow).getResult();
  return {wide, least, most, scalar.isExtent, wide, 0};
}

} // namespace kvasir::mil
