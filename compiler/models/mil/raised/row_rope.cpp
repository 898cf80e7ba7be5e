// SPDX-License-Identifier: MIT
// Rope as exporters write it: x cos + rotate_half(x) sin, where rotate_half(x) = [-x2, x1] of the two halves of a head.
#include "compiler/models/mil/raised/row_claims.h"

using namespace mlir;

namespace kvasir::mil {

using coreml::Operand;
using coreml::Operation;

namespace {
bool isSame(const Operand *lhs, const Operand *rhs) { return lhs && rhs && lhs->value && lhs->value == rhs->value; }

std::array<std::pair<const Operand *, const Operand *>, 2> orders(const Operation &operation) {
  const Operand *x = operation.find("x"), *y = operation.find("y");
  return {{{x, y}, {y, x}}};
}

/// The operand whose last dim is cut to [begin, end).
const Operand *halfOf(const RowMatcher &matcher, const Operand *half, int64_t begin, int64_t end) {
  const Operation *slice = matcher.makerPastCasts(half);
  const auto extents =
      slice && slice->type == "slice_by_index" ? matcher.numbers.extents(slice->find("x")) : std::nullopt;
  const auto slices = extents ? matcher.numbers.slices(*slice, *extents) : std::nullopt;
  if (!slices || slices->empty() || slices->back().begin != CallSum{begin, {}} ||
      slices->back().end != CallSum{end, {}})
    return nullptr;
  const bool isWhole =
      llvm::all_of(ArrayRef(*slices).drop_back(), [](const DimSlice &each) { return each.isWhole && !each.isDropped; });
  return isWhole ? slice->find("x") : nullptr;
}

const Operand *negatedBy(const RowMatcher &matcher, const Operand *negative) {
  const Operation *product = matcher.makerPastCasts(negative);
  if (!product || product->type != "mul")
    return nullptr;
  for (auto [x, factor] : orders(*product))
    if (matcher.numbers.real(factor) == -1.0)
      return x;
  return nullptr;
}

/// The operand x of [-x2, x1].
const Operand *turnedBy(const RowMatcher &matcher, const Operand *turned, int64_t width) {
  const Operation *concat = matcher.makerPastCasts(turned);
  const auto extents = concat && concat->type == "concat" ? matcher.numbers.extents(turned) : std::nullopt;
  const auto values = concat ? concat->inputs.find("values")
                             : std::map<std::string, std::vector<Operand>, std::less<>>::const_iterator();
  if (!extents || values == concat->inputs.end() || values->second.size() != 2 ||
      matcher.numbers.integer(*concat, "interleave", 0) != 0)
    return nullptr;
  const int64_t axis = matcher.numbers.integer(*concat, "axis", 0);
  if (axis != -1 && axis + 1 != int64_t(extents->size()))
    return nullptr;
  const Operand *second = negatedBy(matcher, &values->second[0]);
  const Operand *x = second ? halfOf(matcher, second, width / 2, width) : nullptr;
  const Operand *other = halfOf(matcher, &values->second[1], 0, width / 2);
  return isSame(matcher.pastCasts(x), matcher.pastCasts(other)) ? x : nullptr;
}

bool hasEqualHalves(const coreml::Constant &table) {
  const int64_t width = table.type.dims.empty() ? 0 : table.type.dims.back();
  const uint64_t bits = coreml::facts(table.type.element).bits;
  if (width < 2 || width % 2 || bits % 8)
    return false;
  const uint64_t half = uint64_t(width / 2) * bits / 8;
  for (uint64_t at = 0; at + 2 * half <= table.bytes.size(); at += 2 * half)
    if (!std::equal(table.bytes.begin() + at, table.bytes.begin() + at + half, table.bytes.begin() + at + half))
      return false;
  return true;
}

/// Whether a last dim is one run of numbers, twice.
bool hasEqualHalves(const RowMatcher &matcher, const Operand *operand, int depth = 0) {
  if (const coreml::Constant *constant = matcher.constantOf(operand))
    return hasEqualHalves(*constant);
  const Operation *maker = depth < 16 ? matcher.makerOf(operand) : nullptr;
  if (!maker)
    return false;
  static constexpr std::string_view kKeeping[] = {"cast", "cos", "identity", "sin"};
  if (llvm::is_contained(kKeeping, maker->type) ||
      (maker->type == "gather" && matcher.numbers.integer(*maker, "axis", 0) == 0))
    return hasEqualHalves(matcher, maker->find("x"), depth + 1);
  const auto after = matcher.numbers.extents(operand), before = matcher.numbers.extents(maker->find("x"));
  static constexpr std::string_view kMoving[] = {"expand_dims", "reshape", "slice_by_index", "squeeze"};
  if (llvm::is_contained(kMoving, maker->type))
    return after && before && !after->empty() && !before->empty() && after->back() == before->back() &&
           hasEqualHalves(matcher, maker->find("x"), depth + 1);
  const auto values = maker->inputs.find("values");
  if (maker->type != "concat" || values == maker->inputs.end() || values->second.size() != 2 || !after)
    return false;
  const int64_t axis = matcher.numbers.integer(*maker, "axis", 0);
  return (axis == -1 || axis + 1 == int64_t(after->size())) && isSame(&values->second[0], &values->second[1]);
}

/// Cosines or sines: […, T, D] for every head.
bool isTable(const RowMatcher &matcher, const Operand *table, int64_t width) {
  const std::optional<CallSums> extents = matcher.numbers.extents(table);
  if (!extents || extents->size() < 2 || extents->back() != CallSum{width, {}} ||
      (*extents)[extents->size() - 2] != matcher.plan.count)
    return false;
  const bool isOne =
      llvm::all_of(ArrayRef(*extents).drop_back(2), [](const CallSum &extent) { return extent == CallSum{1, {}}; });
  return isOne && table->value && hasEqualHalves(matcher, table);
}

/// Of two tables' values the one that is made later.
Value laterOf(RowEmitter &e, const Operand &cosines, const Operand &sines) {
  OpImport op(e.import, *e.operation, e.b);
  Value first = op.valueOf(e.import.find(*cosines.value, e.b)), second = op.valueOf(e.import.find(*sines.value, e.b));
  mlir::Operation *maker = first.getDefiningOp(), *other = second.getDefiningOp();
  return maker && (!other || other->isBeforeInBlock(maker)) ? first : second;
}

/// [T, D / 2, 2]: cosine and sine.
Value emitAngles(RowEmitter &e, const Operand &cosines, const Operand &sines, int64_t width) {
  Value &angles = e.angles[{*cosines.value, *sines.value}];
  if (angles)
    return angles;
  OpBuilder::InsertionGuard guard(e.b); // before what is of one layer
  e.b.setInsertionPointAfterValue(laterOf(e, cosines, sines));
  const RowDims dims{{RowAxis::token}, {RowAxis::lane}};
  Value tables[] = {e.rows.rowsOf(cosines, dims, 0, width), e.rows.rowsOf(sines, dims, 0, width)};
  if (!tables[0] || !tables[1])
    return {};
  OpImport op(e.import, *e.operation, e.b);
  Scalars extents{e.rows.tokens, op.scalars.constant(width / 2), op.scalars.constant(2)};
  angles = emitGenerate(op, coreml::Element::f32, extents, [&](ImplicitLocOpBuilder &b, ValueRange at) -> Value {
    Value isSine = b.create<arith::CmpIOp>(arith::CmpIPredicate::ne, at[2], b.create<arith::ConstantIndexOp>(0));
    return b.create<arith::SelectOp>(isSine, extract(b, tables[1], at.take_front(2)),
                                     extract(b, tables[0], at.take_front(2)));
  });
  if (e.rows.tokens.constant())
    angles = e.b.create<tensor::CastOp>(e.rows.rowsType({width / 2, 2}), angles);
  return angles;
}
} // namespace

std::optional<RowClaim> matchRope(const RowMatcher &matcher, const Operation &operation) {
  for (auto [straight, turned] : orders(operation)) {
    const Operation *first = matcher.makerPastCasts(straight), *second = matcher.makerPastCasts(turned);
    if (!first || !second || first->type != "mul" || second->type != "mul")
      continue;
    for (auto [x, cosines] : orders(*first))
      for (auto [half, sines] : orders(*second)) {
        const RowMatcher::Shape *shape = matcher.shapeOf(x);
        if (!shape || !shape->heads || !isSame(turnedBy(matcher, half, shape->width), x) ||
            !isTable(matcher, cosines, shape->width) || !isTable(matcher, sines, shape->width))
          continue;
        RowClaim claim{{*x, *cosines, *sines}, shape->dims, shape->heads, shape->width, {}};
        claim.emit = [x = *x, cosines = *cosines, sines = *sines, shape = *shape](RowEmitter &e) -> Value {
          Value rows = e.rows.rowsOf(x, shape.dims, shape.heads, shape.width);
          Value angles = rows ? emitAngles(e, cosines, sines, shape.width) : Value();
          return angles ? e.b.create<lm::RopeOp>(rows.getType(), rows, angles, lm::LaneOrder::halves).getResult()
                        : Value();
        };
        return claim;
      }
  }
  return std::nullopt;
}

} // namespace kvasir::mil
