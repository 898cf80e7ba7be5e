// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/index_expression.h"

#include <algorithm>

namespace kvasir::coreml {
namespace {

constexpr int kDeepest = 64;
constexpr int64_t kFarthest = int64_t(1) << 40; ///< of rows and factors: sums and differences of a few never overflow

bool isNear(int64_t number) { return -kFarthest <= number && number <= kFarthest; }

void collectMakers(const Block &block, std::vector<const Operation *> &makers) {
  for (const Operation &operation : block.operations) {
    for (ValueId output : operation.outputs)
      makers[output] = &operation;
    for (const Block &inner : operation.blocks)
      collectMakers(inner, makers);
  }
}

/// Ops that hand on each element of `x` in its order.
bool keepsElements(std::string_view type) {
  constexpr std::string_view kTypes[] = {"cast", "expand_dims", "identity", "reshape", "squeeze"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

} // namespace

std::string text(const IndexExpression &expression) {
  std::string line;
  for (const auto &[input, factor] : expression.terms)
    line += (line.empty() ? "" : " + ") + (factor == 1 ? "" : std::to_string(factor) + " * ") + input;
  if (line.empty())
    return std::to_string(expression.constant);
  if (expression.constant != 0)
    line += (expression.constant < 0 ? " - " : " + ") + std::to_string(std::abs(expression.constant));
  return line;
}

IndexExpressions::IndexExpressions(const Function &function) : function(function), makers(function.values.size()) {
  collectMakers(function.body, makers);
}

std::optional<IndexExpression> IndexExpressions::find(const Operand &operand, uint64_t index) const {
  return find(operand, index, kDeepest);
}

std::optional<IndexExpression> IndexExpressions::find(const Operand &operand, uint64_t index, int depth) const {
  if (const Constant *constant = function.constantOf(operand)) {
    const std::optional<std::vector<int64_t>> integers = constant->asIntegers();
    if (!integers || integers->empty() || (index >= integers->size() && integers->size() != 1))
      return std::nullopt;
    const int64_t integer = (*integers)[integers->size() == 1 ? 0 : index];
    return isNear(integer) ? std::optional(IndexExpression{{}, integer}) : std::nullopt;
  }
  const std::pair<ValueId, uint64_t> key(*operand.value, index);
  if (const auto found = known.find(key); found != known.end())
    return found->second;
  return known[key] = follow(*operand.value, index, depth);
}

std::optional<uint64_t> IndexExpressions::countOf(const Operand &operand) const {
  const TensorType &type = operand.literal ? operand.literal->type : function.values[*operand.value].type.tensor;
  uint64_t count = 1;
  for (int64_t dim : type.dims)
    if (dim < 0 || __builtin_mul_overflow(count, uint64_t(dim), &count))
      return std::nullopt;
  return count;
}

std::optional<IndexExpression> IndexExpressions::follow(ValueId value, uint64_t index, int depth) const {
  if (depth == 0)
    return std::nullopt;
  const Operation *maker = makers[value];
  if (!maker) {
    if (countOf(Operand{value, {}}) != 1)
      return std::nullopt;
    return IndexExpression{{{function.nameOf(value), 1}}, 0};
  }
  if (keepsElements(maker->type))
    return findOperand(*maker, "x", index, depth);
  if (maker->type == "add" || maker->type == "sub")
    return combine(*maker, maker->type == "add" ? 1 : -1, index, depth);
  if (maker->type == "select")
    return findOperand(*maker, "a", index, depth); // cond: it is not negative
  if (maker->type == "gather" || maker->type == "slice_by_index")
    return pick(*maker, index, depth);
  return maker->type == "concat" ? joined(*maker, index, depth) : std::nullopt;
}

std::optional<IndexExpression> IndexExpressions::findOperand(const Operation &operation, std::string_view name,
                                                             uint64_t index, int depth) const {
  const Operand *operand = operation.find(name);
  return operand ? find(*operand, index, depth - 1) : std::nullopt;
}

std::optional<IndexExpression> IndexExpressions::combine(const Operation &operation, int64_t sign, uint64_t index,
                                                         int depth) const {
  std::optional<IndexExpression> sum = findOperand(operation, "x", index, depth);
  const std::optional<IndexExpression> other = findOperand(operation, "y", index, depth);
  if (!sum || !other)
    return std::nullopt;
  sum->constant += sign * other->constant;
  bool isKept = isNear(sum->constant);
  for (const auto &[input, factor] : other->terms) {
    int64_t &term = sum->terms[input];
    isKept &= isNear(term += sign * factor);
    if (term == 0)
      sum->terms.erase(input);
  }
  return isKept ? sum : std::nullopt;
}

/// One element of a 1-dimensional tensor.
std::optional<IndexExpression> IndexExpressions::pick(const Operation &operation, uint64_t index, int depth) const {
  const Operand *at = operation.find(operation.type == "gather" ? "indices" : "begin");
  if (!at || !operation.find("x") || countOf({operation.outputs.front(), {}}) != 1)
    return std::nullopt;
  const std::optional<IndexExpression> place = find(*at, 0);
  if (!place || !place->isConstant() || place->constant < 0)
    return std::nullopt;
  return findOperand(operation, "x", uint64_t(place->constant), depth);
}

std::optional<IndexExpression> IndexExpressions::joined(const Operation &operation, uint64_t index, int depth) const {
  const auto values = operation.inputs.find("values");
  if (values == operation.inputs.end())
    return std::nullopt;
  for (const Operand &operand : values->second) {
    const std::optional<uint64_t> count = countOf(operand);
    if (!count)
      return std::nullopt;
    if (index < *count)
      return find(operand, index, depth - 1);
    index -= *count;
  }
  return std::nullopt;
}

} // namespace kvasir::coreml
