// SPDX-License-Identifier: MIT
// Ops of a package that work row by row, and the lm ops that they are. Recognised before the raised form is built.
#ifndef KVASIR_MODELS_MIL_RAISED_ROW_CLAIMS_H
#define KVASIR_MODELS_MIL_RAISED_ROW_CLAIMS_H

#include "compiler/models/mil/raised/row_forms.h"

namespace kvasir::mil {

/// What claims are emitted with.
struct RowEmitter {
  FunctionImport &import;
  RowForms &rows;
  mlir::ImplicitLocOpBuilder &b;
  const coreml::Operation *operation = nullptr;                              ///< that is emitted
  std::map<std::pair<coreml::ValueId, coreml::ValueId>, mlir::Value> angles; ///< by cosines and sines

  /// A constant operand as a weight; null, and a failure, if it is none.
  mlir::Value weightOf(const coreml::Operand &operand, Order order = Order::asItLies);
};

/// What the result of an op is as rows, and how it comes to be. Ops between `operands` and the result need not be
/// built.
struct RowClaim {
  std::vector<coreml::Operand> operands;
  RowDims dims;                 ///< of the result
  int64_t heads = 0, width = 0; ///< of the result; 0: rows have no heads
  std::function<mlir::Value(RowEmitter &)> emit;
};

using RowClaims = std::map<const coreml::Operation *, RowClaim>;

/// What a function's values are as rows while its ops are followed: a family of ops adds a claim if it knows the op.
class RowMatcher {
public:
  RowMatcher(const KnownNumbers &numbers, const FunctionPlan &plan);

  RowClaims match();

  struct Shape {
    RowDims dims;
    int64_t heads, width;
  };

  /// What a value is as rows; nothing if nobody has said so.
  const Shape *shapeOf(const coreml::Operand *operand) const;
  /// [1, …, T, E] of one row a token, whether it is known as rows or not.
  std::optional<Shape> flatShapeOf(const coreml::Operand *operand) const;
  const coreml::Operation *makerOf(const coreml::Operand *operand) const;
  /// The same, past casts between floats.
  const coreml::Operation *makerPastCasts(const coreml::Operand *operand) const;
  /// The operand past casts between floats.
  const coreml::Operand *pastCasts(const coreml::Operand *operand) const;
  const coreml::Constant *constantOf(const coreml::Operand *operand) const;
  /// The extents of a constant that can be a weight; nothing for another operand.
  std::optional<std::vector<int64_t>> weightDims(const coreml::Operand *operand) const;
  bool isZero(const coreml::Operand *operand) const;

  const KnownNumbers &numbers;
  const FunctionPlan &plan;

private:
  void follow(const coreml::Operation &operation);
  void know(const coreml::Operation &operation);

  std::map<coreml::ValueId, const coreml::Operation *> makers;
  std::map<coreml::ValueId, Shape> shapes;
  RowClaims claims;
};

// What families know. A claim, or nothing.
using MatchRows = std::optional<RowClaim> (*)(const RowMatcher &matcher, const coreml::Operation &operation);

std::optional<RowClaim> matchEmbedding(const RowMatcher &matcher, const coreml::Operation &operation);
std::optional<RowClaim> matchLinear(const RowMatcher &matcher, const coreml::Operation &operation);
std::optional<RowClaim> matchNorm(const RowMatcher &matcher, const coreml::Operation &operation);
std::optional<RowClaim> matchGated(const RowMatcher &matcher, const coreml::Operation &operation);
std::optional<RowClaim> matchRope(const RowMatcher &matcher, const coreml::Operation &operation);
std::optional<RowClaim> matchSum(const RowMatcher &matcher, const coreml::Operation &operation);
std::optional<RowClaim> matchMove(const RowMatcher &matcher, const coreml::Operation &operation);

} // namespace kvasir::mil

#endif
