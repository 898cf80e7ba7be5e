// SPDX-License-Identifier: MIT
#include "compiler/models/mil/call_sums.h"

#include "compiler/dialects/kv/dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

/// Of one sum: a chain of x + x would be followed twice at each step.
constexpr int kMostSteps = 1024;

std::optional<CallSum> sumOf(Value value, int &left);

CallSum scaled(CallSum sum, int64_t factor) {
  if (!factor)
    return {};
  sum.constant *= factor;
  for (auto &[number, own] : sum.terms)
    own *= factor;
  return sum;
}

std::optional<CallSum> extentOf(tensor::DimOp extent) {
  auto argument = dyn_cast<BlockArgument>(extent.getSource());
  std::optional<int64_t> dim = extent.getConstantIndex();
  if (!argument || !dim)
    return std::nullopt;
  return CallSum{0, {{{CallNumber::Kind::extent, argument.getArgNumber(), *dim}, 1}}};
}

std::optional<CallSum> elementOf(tensor::ExtractOp element) {
  auto argument = dyn_cast<BlockArgument>(element.getTensor());
  if (!argument || element.getIndices().size() > 1)
    return std::nullopt;
  APInt index(64, 0);
  if (!element.getIndices().empty() && !matchPattern(element.getIndices()[0], m_ConstantInt(&index)))
    return std::nullopt;
  return CallSum{0, {{{CallNumber::Kind::element, argument.getArgNumber(), index.getSExtValue()}, 1}}};
}

std::optional<CallSum> productOf(Operation *op, int &left) {
  std::optional<CallSum> lhs = sumOf(op->getOperand(0), left), rhs = sumOf(op->getOperand(1), left);
  if (!lhs || !rhs || (!lhs->isConstant() && !rhs->isConstant()))
    return std::nullopt;
  return lhs->isConstant() ? scaled(*rhs, lhs->constant) : scaled(*lhs, rhs->constant);
}

/// x >= 0 ? x : y, or x < 0 ? y : x, as x.
std::optional<CallSum> indexOf(arith::SelectOp select, int &left) {
  auto compare = select.getCondition().getDefiningOp<arith::CmpIOp>();
  if (!compare || !matchPattern(compare.getRhs(), m_Zero()))
    return std::nullopt;
  const arith::CmpIPredicate predicate = compare.getPredicate();
  const Value kept = predicate == arith::CmpIPredicate::sge   ? select.getTrueValue()
                     : predicate == arith::CmpIPredicate::slt ? select.getFalseValue()
                                                              : Value();
  const auto sum = kept ? sumOf(kept, left) : std::nullopt, compared = sumOf(compare.getLhs(), left);
  return sum && compared && *sum == *compared ? sum : std::nullopt;
}

std::optional<CallSum> sumOf(Value value, int &left) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return CallSum{constant.getSExtValue(), {}};
  Operation *op = value.getDefiningOp();
  if (!op || --left < 0)
    return std::nullopt;
  if (auto extent = dyn_cast<tensor::DimOp>(op))
    return extentOf(extent);
  if (auto element = dyn_cast<tensor::ExtractOp>(op))
    return elementOf(element);
  if (isa<kv::TokensOp>(op))
    return CallSum{0, {{{CallNumber::Kind::tokens}, 1}}};
  if (isa<kv::StartOp>(op))
    return CallSum{0, {{{CallNumber::Kind::start}, 1}}};
  if (isa<kv::LengthOp>(op))
    return CallSum{0, {{{CallNumber::Kind::tokens}, 1}, {{CallNumber::Kind::start}, 1}}};
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return indexOf(select, left);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::MaxSIOp, arith::MinSIOp>(op))
    return sumOf(op->getOperand(0), left);
  if (isa<arith::MulIOp>(op))
    return productOf(op, left);
  if (!isa<arith::AddIOp, arith::SubIOp>(op))
    return std::nullopt;
  const auto lhs = sumOf(op->getOperand(0), left), rhs = sumOf(op->getOperand(1), left);
  return lhs && rhs ? std::optional(plus(*lhs, *rhs, isa<arith::AddIOp>(op) ? 1 : -1)) : std::nullopt;
}
} // namespace

const CallNumber *CallSum::single() const {
  return constant == 0 && terms.size() == 1 && terms.begin()->second == 1 ? &terms.begin()->first : nullptr;
}

CallSum plus(const CallSum &lhs, const CallSum &rhs, int64_t factor) {
  CallSum sum = lhs;
  sum.constant += factor * rhs.constant;
  for (const auto &[number, own] : rhs.terms)
    if ((sum.terms[number] += factor * own) == 0)
      sum.terms.erase(number);
  return sum;
}

std::optional<CallSum> callSumOf(Value index) {
  int left = kMostSteps;
  return sumOf(index, left);
}

bool areEqual(Value lhs, Value rhs) {
  if (lhs == rhs)
    return true;
  const std::optional<CallSum> sum = callSumOf(lhs);
  return sum && sum == callSumOf(rhs);
}

} // namespace kvasir::mil
