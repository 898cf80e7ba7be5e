// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/row_claims.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using coreml::Operand;
using coreml::Operation;

struct FamilyEntry {
  std::string_view type;
  MatchRows match;
};

/// In the order in which they are tried.
constexpr FamilyEntry kFamilies[] = {{"add", matchRope},         {"add", matchSum},          {"cast", matchMove},
                                     {"expand_dims", matchMove}, {"gather", matchEmbedding}, {"identity", matchMove},
                                     {"linear", matchLinear},    {"mul", matchNorm},         {"mul", matchGated},
                                     {"reshape", matchMove},     {"squeeze", matchMove},     {"transpose", matchMove}};

bool isFloat(coreml::Element element) { return element == coreml::Element::f16 || element == coreml::Element::f32; }
} // namespace

Value RowEmitter::weightOf(const Operand &operand, Order order) {
  const Tensor tensor = operand.literal ? import.constantTensor(*operand.literal, b) : import.find(*operand.value, b);
  if (!PackageWeights::canHold(tensor)) {
    import.fail(import.source.describe(*operation) + " has a constant that can be no weight");
    return {};
  }
  const std::string name = operand.value ? import.source.nameOf(*operand.value)
                                         : import.source.nameOf(operation->outputs.front()) + "_weight";
  lm::WeightOp weight = import.weights.declare(import.target->getParentOfType<ModuleOp>(), tensor, name, order);
  return b.create<lm::SelectOp>(weight.getType(), weight.getSymName(), Value());
}

RowMatcher::RowMatcher(const KnownNumbers &numbers, const FunctionPlan &plan) : numbers(numbers), plan(plan) {}

const RowMatcher::Shape *RowMatcher::shapeOf(const Operand *operand) const {
  const auto found = operand && operand->value ? shapes.find(*operand->value) : shapes.end();
  return found == shapes.end() ? nullptr : &found->second;
}

std::optional<RowMatcher::Shape> RowMatcher::flatShapeOf(const Operand *operand) const {
  const std::optional<CallSums> extents = numbers.extents(operand);
  if (!extents || extents->size() < 2 || !extents->back().isConstant() || (*extents)[extents->size() - 2] != plan.count)
    return std::nullopt;
  for (const CallSum &extent : ArrayRef(*extents).drop_back(2))
    if (extent != CallSum{1, {}})
      return std::nullopt;
  RowDims dims(extents->size());
  dims[dims.size() - 2] = {RowAxis::token};
  dims[dims.size() - 1] = {RowAxis::lane};
  return Shape{dims, 0, extents->back().constant};
}

const Operation *RowMatcher::makerOf(const Operand *operand) const {
  const auto found = operand && operand->value ? makers.find(*operand->value) : makers.end();
  return found == makers.end() ? nullptr : found->second;
}

const Operand *RowMatcher::pastCasts(const Operand *operand) const {
  for (const Operation *maker = makerOf(operand); maker && maker->type == "cast"; maker = makerOf(operand)) {
    const Operand *before = maker->find("x");
    if (!before || !before->value || !isFloat(numbers.function.values[*before->value].type.tensor.element) ||
        !isFloat(numbers.function.values[*operand->value].type.tensor.element))
      break;
    operand = before;
  }
  return operand;
}

const Operation *RowMatcher::makerPastCasts(const Operand *operand) const { return makerOf(pastCasts(operand)); }

const coreml::Constant *RowMatcher::constantOf(const Operand *operand) const {
  if (!operand)
    return nullptr;
  if (const coreml::Constant *constant = numbers.function.constantOf(*operand))
    return constant;
  const Tensor *tensor = operand->value ? numbers.opaque.lookup(*operand->value) : nullptr;
  return tensor ? tensor->constant : nullptr;
}

std::optional<std::vector<int64_t>> RowMatcher::weightDims(const Operand *operand) const {
  if (!operand)
    return std::nullopt;
  Tensor tensor;
  const Tensor *made = operand->value ? numbers.opaque.lookup(*operand->value) : nullptr;
  if (const coreml::Constant *constant = numbers.function.constantOf(*operand)) {
    tensor.element = constant->type.element;
    tensor.constant = constant;
    for (int64_t dim : constant->type.dims)
      tensor.dims.push_back({{}, dim, dim, true, {}, 0});
  } else if (made) {
    tensor = *made;
  }
  if (!PackageWeights::canHold(tensor))
    return std::nullopt;
  std::vector<int64_t> dims;
  for (const Scalar &dim : tensor.dims)
    dims.push_back(*dim.constant());
  return dims;
}

bool RowMatcher::isZero(const Operand *operand) const {
  const coreml::Constant *constant = constantOf(operand);
  if (!constant || !isFloat(constant->type.element))
    return false;
  return llvm::all_of(constant->bytes, [](uint8_t byte) { return byte == 0; });
}

/// What attention makes is rows, too.
void RowMatcher::know(const Operation &operation) {
  const auto attend = plan.attends.find(&operation);
  if (attend == plan.attends.end())
    return;
  const PlannedAttend &planned = attend->second;
  shapes[operation.outputs.front()] = {planned.dims, planned.heads, plan.caches[planned.values].width};
}

void RowMatcher::follow(const Operation &operation) {
  for (coreml::ValueId output : operation.outputs)
    makers[output] = &operation;
  know(operation);
  for (const FamilyEntry &entry : kFamilies) {
    if (entry.type != operation.type || operation.outputs.empty())
      continue;
    std::optional<RowClaim> claim = entry.match(*this, operation);
    if (!claim)
      continue;
    shapes[operation.outputs.front()] = {claim->dims, claim->heads, claim->width};
    claims.emplace(&operation, std::move(*claim));
    return;
  }
}

RowClaims RowMatcher::match() {
  for (const Operation &operation : numbers.function.body.operations)
    follow(operation);
  return std::move(claims);
}

} // namespace kvasir::mil
