// SPDX-License-Identifier: MIT
// Rows of a table, and rows times a weight.
#include "compiler/models/mil/raised/row_claims.h"

#include "compiler/models/mil/weighted.h"

using namespace mlir;

namespace kvasir::mil {

using coreml::Operand;
using coreml::Operation;

/// gather of rows of a constant matrix, by indices of one a token.
std::optional<RowClaim> matchEmbedding(const RowMatcher &matcher, const Operation &operation) {
  const Operand *indices = operation.find("indices");
  const std::optional<std::vector<int64_t>> table = matcher.weightDims(operation.find("x"));
  const std::optional<CallSums> extents = matcher.numbers.extents(indices);
  if (!table || table->size() != 2 || !extents || extents->empty() || extents->back() != matcher.plan.count ||
      matcher.numbers.integer(operation, "axis", 0) != 0 || matcher.numbers.integer(operation, "batch_dims", 0) != 0)
    return std::nullopt;
  for (const CallSum &extent : ArrayRef(*extents).drop_back())
    if (extent != CallSum{1, {}})
      return std::nullopt;
  RowClaim claim{{*indices}, RowDims(extents->size() + 1), 0, (*table)[1], {}};
  claim.dims[extents->size() - 1] = {RowAxis::token};
  claim.dims[extents->size()] = {RowAxis::lane};
  claim.emit = [table = *operation.find("x"), width = claim.width](RowEmitter &e) -> Value {
    OpImport op(e.import, *e.operation, e.b);
    Value weight = e.weightOf(table);
    if (!weight)
      return {};
    Value ids =
        emitInside(op, op.tensor("indices"), op.scalars.constant(cast<lm::WeightType>(weight.getType()).getNumRows()));
    return e.b.create<lm::EmbeddingOp>(e.rows.rowsType({width}), e.rows.line(ids), weight);
  };
  return claim;
}

/// x W^T + bias of rows.
std::optional<RowClaim> matchLinear(const RowMatcher &matcher, const Operation &operation) {
  const Operand *x = operation.find("x"), *weight = operation.find("weight"), *bias = operation.find("bias");
  const std::optional<std::vector<int64_t>> matrix = matcher.weightDims(weight);
  const std::optional<RowMatcher::Shape> shape = matcher.flatShapeOf(x);
  if (!matrix || !shape || matrix->size() != 2 || (*matrix)[1] != shape->width)
    return std::nullopt;
  const bool hasBias = bias && !matcher.isZero(bias);
  if (hasBias && !matcher.weightDims(bias))
    return std::nullopt;
  RowClaim claim{{*x}, shape->dims, 0, (*matrix)[0], {}};
  claim.emit = [x = *x, weight = *weight, bias = hasBias ? std::optional(*bias) : std::nullopt, shape = *shape,
                width = claim.width](RowEmitter &e) -> Value {
    Value rows = e.rows.rowsOf(x, shape.dims, 0, shape.width);
    Value matrix = e.weightOf(weight), added = bias ? e.weightOf(*bias) : Value();
    if (!rows || !matrix || (bias && !added))
      return {};
    return e.b.create<lm::LinearOp>(e.rows.rowsType({width}), rows, matrix, added);
  };
  return claim;
}

} // namespace kvasir::mil
