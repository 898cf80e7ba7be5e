// SPDX-License-Identifier: MIT
// Rows with rows, and what is scaled to unit root mean square.
#include "compiler/models/mil/raised/row_claims.h"

using namespace mlir;

namespace kvasir::mil {

using coreml::Operand;
using coreml::Operation;

namespace {
bool isSame(const Operand *lhs, const Operand *rhs) { return lhs && rhs && lhs->value && lhs->value == rhs->value; }

/// The two orders of an op's operands.
std::array<std::pair<const Operand *, const Operand *>, 2> orders(const Operation &operation) {
  const Operand *x = operation.find("x"), *y = operation.find("y");
  return {{{x, y}, {y, x}}};
}

/// A norm without its weight: x / sqrt(mean(x^2) + epsilon).
struct Normed {
  const Operand *x;
  double epsilon;
};

/// mean(x^2), of the last dim; the operand x.
const Operand *squaredBy(const RowMatcher &matcher, const Operand *mean) {
  const Operation *reduce = matcher.makerPastCasts(mean);
  if (!reduce || reduce->type != "reduce_mean" || matcher.numbers.integer(*reduce, "keep_dims", 0) != 1)
    return nullptr;
  const auto axes = matcher.numbers.integers(reduce->find("axes"));
  const auto extents = matcher.numbers.extents(reduce->find("x"));
  if (!axes || !extents || axes->size() != 1 || (axes->front() != -1 && axes->front() + 1 != int64_t(extents->size())))
    return nullptr;
  const Operation *square = matcher.makerPastCasts(reduce->find("x"));
  if (!square)
    return nullptr;
  const Operand *x = square->find("x"), *y = square->find("y");
  const bool isPower = square->type == "pow" && matcher.numbers.real(y) == 2.0;
  const bool isProduct = square->type == "mul" && isSame(x, y);
  return isPower || isProduct || square->type == "square" ? matcher.pastCasts(x) : nullptr;
}

std::optional<Normed> rootOf(const RowMatcher &matcher, const Operand *factor) {
  const Operation *root = matcher.makerPastCasts(factor);
  if (!root || root->type != "rsqrt")
    return std::nullopt;
  const double own = matcher.numbers.real(root->find("epsilon")).value_or(1e-12);
  const Operation *sum = matcher.makerPastCasts(root->find("x"));
  if (sum && sum->type == "add")
    for (auto [mean, epsilon] : orders(*sum))
      if (const std::optional<double> number = matcher.numbers.real(epsilon))
        if (const Operand *x = squaredBy(matcher, mean))
          return Normed{x, *number + own};
  const Operand *x = squaredBy(matcher, root->find("x"));
  return x ? std::optional(Normed{x, own}) : std::nullopt;
}

std::optional<Normed> normedBy(const RowMatcher &matcher, const Operation &operation) {
  for (auto [x, factor] : orders(operation))
    if (const std::optional<Normed> normed = rootOf(matcher, factor); normed && isSame(normed->x, matcher.pastCasts(x)))
      return normed;
  return std::nullopt;
}

bool isVector(const std::optional<std::vector<int64_t>> &dims, int64_t width) {
  return dims == std::vector<int64_t>{width};
}
} // namespace

/// x / sqrt(mean(x^2) + epsilon) * weight.
std::optional<RowClaim> matchNorm(const RowMatcher &matcher, const Operation &operation) {
  for (auto [x, weight] : orders(operation)) {
    const Operation *maker = matcher.makerPastCasts(x);
    const std::optional<Normed> normed = maker && maker->type == "mul" ? normedBy(matcher, *maker) : std::nullopt;
    const std::optional<RowMatcher::Shape> shape = normed ? matcher.flatShapeOf(normed->x) : std::nullopt;
    if (!shape || !isVector(matcher.weightDims(weight), shape->width))
      continue;
    RowClaim claim{{*normed->x}, shape->dims, 0, shape->width, {}};
    claim.emit = [x = *normed->x, weight = *weight, shape = *shape, epsilon = normed->epsilon](RowEmitter &e) -> Value {
      Value rows = e.rows.rowsOf(x, shape.dims, 0, shape.width), vector = e.weightOf(weight);
      if (!rows || !vector)
        return {};
      return e.b.create<lm::RmsNormOp>(rows.getType(), rows, vector, e.b.getF32FloatAttr(float(epsilon)));
    };
    return claim;
  }
  return std::nullopt;
}

/// silu(gate) * up.
std::optional<RowClaim> matchGated(const RowMatcher &matcher, const Operation &operation) {
  for (auto [gated, up] : orders(operation)) {
    const Operation *silu = matcher.makerPastCasts(gated);
    const Operand *gate = silu && silu->type == "silu" ? silu->find("x") : nullptr;
    const auto shape = gate ? matcher.flatShapeOf(gate) : std::nullopt, other = matcher.flatShapeOf(up);
    if (!shape || !other || shape->dims != other->dims || shape->width != other->width)
      continue;
    RowClaim claim{{*gate, *up}, shape->dims, 0, shape->width, {}};
    claim.emit = [gate = *gate, up = *up, shape = *shape](RowEmitter &e) -> Value {
      Value first = e.rows.rowsOf(gate, shape.dims, 0, shape.width),
            second = e.rows.rowsOf(up, shape.dims, 0, shape.width);
      return first && second ? e.b.create<lm::SwigluOp>(first.getType(), first, second).getResult() : Value();
    };
    return claim;
  }
  return std::nullopt;
}

/// x + y of rows of one shape, of which one at least is rows already.
std::optional<RowClaim> matchSum(const RowMatcher &matcher, const Operation &operation) {
  const Operand *x = operation.find("x"), *y = operation.find("y");
  const auto shape = matcher.flatShapeOf(x), other = matcher.flatShapeOf(y);
  if (!shape || !other || shape->dims != other->dims || shape->width != other->width ||
      (!matcher.shapeOf(x) && !matcher.shapeOf(y)) || !x->value || !y->value)
    return std::nullopt;
  RowClaim claim{{*x, *y}, shape->dims, 0, shape->width, {}};
  claim.emit = [x = *x, y = *y, shape = *shape](RowEmitter &e) -> Value {
    Value first = e.rows.rowsOf(x, shape.dims, 0, shape.width), second = e.rows.rowsOf(y, shape.dims, 0, shape.width);
    return first && second ? e.b.create<arith::AddFOp>(first, second).getResult() : Value();
  };
  return claim;
}

} // namespace kvasir::mil
