// SPDX-License-Identifier: MIT
// Offsets that a call computes, as sums: "pos + 1".
#ifndef KVASIR_FRONTENDS_COREML_INDEX_EXPRESSION_H
#define KVASIR_FRONTENDS_COREML_INDEX_EXPRESSION_H

#include "compiler/frontends/coreml/program.h"

namespace kvasir::coreml {

/// A constant plus multiples of values that a call brings: elements of inputs.
struct IndexExpression {
  std::map<std::string, int64_t> terms; ///< input -> factor, never 0
  int64_t constant = 0;

  bool isConstant() const { return terms.empty(); }
  bool operator==(const IndexExpression &) const = default;
};

/// "pos + 1"
std::string text(const IndexExpression &expression);

/// Follows the ops that exporters compute offsets with. Lives as long as the function.
class IndexExpressions {
public:
  explicit IndexExpressions(const Function &function);

  /// Element `index`, in row-major order, of an integer operand; nothing where it is no such sum. That a negative index
  /// counts from the end, which exporters spell out, is taken as not happening. Numbers beyond 2^40 are none.
  std::optional<IndexExpression> find(const Operand &operand, uint64_t index) const;

private:
  std::optional<IndexExpression> find(const Operand &operand, uint64_t index, int depth) const;
  std::optional<IndexExpression> follow(ValueId value, uint64_t index, int depth) const;
  std::optional<IndexExpression> findOperand(const Operation &operation, std::string_view name, uint64_t index,
                                             int depth) const;
  std::optional<IndexExpression> combine(const Operation &operation, int64_t sign, uint64_t index, int depth) const;
  std::optional<IndexExpression> pick(const Operation &operation, uint64_t index, int depth) const;
  std::optional<IndexExpression> joined(const Operation &operation, uint64_t index, int depth) const;
  std::optional<IndexExpression> counted(const Operation &operation, uint64_t index, int depth) const;
  std::optional<IndexExpression> repeated(const Operation &operation, uint64_t index, int depth) const;
  bool broadcasts(const Operation &operation, std::string_view name) const;
  const std::vector<int64_t> &dimsOf(const Operand &operand) const;
  std::optional<uint64_t> countOf(const Operand &operand) const;

  const Function &function;
  std::vector<const Operation *> makers; ///< by ValueId; null for inputs
  /// What was followed so far: a chain of `x + x` would be followed twice at each step.
  mutable std::map<std::pair<ValueId, uint64_t>, std::optional<IndexExpression>> known;
};

} // namespace kvasir::coreml

#endif
