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
    const uint64_t count = constant->numElements();
    if (index >= count && count != 1)
      return std::nullopt;
    const std::optional<int64_t> integer = constant->integerAt(count == 1 ? 0 : index);
    return integer && isNear(*integer) ? std::optional(IndexExpression{{}, *integer}) : std::nullopt;
  }
  const std::pair<ValueId, uint64_t> key(*operand.value, index);
  if (const auto found = known.find(key); found != known.end())
    return found->second;
  return known[key] = follow(*operand.value, index, depth);
}

const std::vector<int64_t> &IndexExpressions::dimsOf(const Operand &operand) const {
  return (operand.literal ? operand.literal->type : function.values[*operand.value].type.tensor).dims;
}

std::optional<uint64_t> IndexExpressions::countOf(const Operand &operand) const {
  uint64_t count = 1;
  for (int64_t dim : dimsOf(operand))
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
    return broadcasts(*maker, "a") ? std::nullopt : findOperand(*maker, "a", index, depth); // cond: it is not negative
  if (maker->type == "gather" || maker->type == "slice_by_index")
    return pick(*maker, index, depth);
  if (maker->type == "range_1d")
    return counted(*maker, index, depth);
  if (maker->type == "tile")
    return repeated(*maker, index, depth);
  return maker->type == "concat" || maker->type == "stack" ? joined(*maker, index, depth) : std::nullopt;
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
  if (!sum || !other || broadcasts(operation, "x") || broadcasts(operation, "y"))
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

/// Is the operand of more elements than one, and of other extents than the result?
bool IndexExpressions::broadcasts(const Operation &operation, std::string_view name) const {
  const Operand *operand = operation.find(name);
  return operand && countOf(*operand) != 1 && dimsOf(*operand) != dimsOf({operation.outputs.front(), {}});
}

/// start + index * step
std::optional<IndexExpression> IndexExpressions::counted(const Operation &operation, uint64_t index, int depth) const {
  constexpr uint64_t kMostSteps = 1 << 20; // times a step of 2^40 is within 63 bits
  std::optional<IndexExpression> number = findOperand(operation, "start", 0, depth);
  const std::optional<IndexExpression> step = findOperand(operation, "step", 0, depth);
  if (!number || !step || !step->isConstant() || index > kMostSteps)
    return std::nullopt;
  number->constant += int64_t(index) * step->constant;
  return isNear(number->constant) ? number : std::nullopt;
}

/// Element `index` of the result, taken from where it lies in the tensor that is repeated.
std::optional<IndexExpression> IndexExpressions::repeated(const Operation &operation, uint64_t index, int depth) const {
  const Operand result{operation.outputs.front(), {}}, *x = operation.find("x");
  if (!x || !countOf(*x).value_or(0) || !countOf(result).value_or(0) || dimsOf(*x).size() != dimsOf(result).size())
    return std::nullopt;
  uint64_t place = 0, weight = 1;
  for (size_t axis = dimsOf(result).size(); axis-- > 0;) {
    const uint64_t own = uint64_t(dimsOf(*x)[axis]), whole = uint64_t(dimsOf(result)[axis]);
    place += index % whole % own * weight;
    index /= whole;
    weight *= own;
  }
  return find(*x, place, depth - 1);
}

/// concat, and stack: the tensors lie one behind the other where no dim of several places is before the axis.
std::optional<IndexExpression> IndexExpressions::joined(const Operation &operation, uint64_t index, int depth) const {
  const auto values = operation.inputs.find("values");
  const std::vector<int64_t> &dims = dimsOf({operation.outputs.front(), {}});
  const std::optional<IndexExpression> axis = findOperand(operation, "axis", 0, depth);
  const int64_t number = axis && axis->isConstant() ? axis->constant : 0;
  const int64_t before = number < 0 ? number + int64_t(dims.size()) : number;
  if (values == operation.inputs.end() || before < 0 || before >= int64_t(dims.size()) ||
      std::any_of(dims.begin(), dims.begin() + before, [](int64_t dim) { return dim != 1; }))
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
