// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/raised_function.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/models/mil/raised/row_claims.h"
#include "compiler/passes/contract.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;
using coreml::Operation;
using coreml::ValueId;

class RaisedFunction {
public:
  RaisedFunction(const coreml::Program &program, const FunctionImport &opaque, const FunctionPlan &plan,
                 const StateTypes &registers, func::FuncOp target)
      : opaque(opaque), plan(plan), numbers(opaque), function(opaque.source), target(target),
        import(function, target, opaque.weights), body(target.getLoc(), &target.front(), target.front().begin()),
        border(program, import, registers, body), claims(RowMatcher(numbers, plan).match()) {}

  Status build();

private:
  void readBatch();
  void takeStart();
  void findLive();
  bool isView(ValueId value) const;
  void need(const Operation &operation);
  std::optional<BoundExtent> bind(ValueId input, size_t dim) const;
  std::optional<Scalar> scalarOf(const CallSum &sum) const;
  bool importOne(const Operation &operation);
  void defineView(ValueId value);
  void append(const PlannedAppend &append);
  void attend(const Operation &operation, const PlannedAttend &attend);
  void emit(const Operation &operation, const RowClaim &claim);
  Value layerOf(int64_t layer) { return body.create<arith::ConstantIndexOp>(layer); }

  const FunctionImport &opaque;
  const FunctionPlan &plan;
  const KnownNumbers numbers;
  const coreml::Function &function;
  func::FuncOp target;
  FunctionImport import;
  Builder body;
  FunctionBorder border;
  const RowClaims claims;
  std::optional<RowForms> rows;
  std::optional<RowEmitter> emitter;
  Value batch;
  Scalar tokens, start, length;
  std::set<ValueId> needed;
  std::set<const Operation *> live;
  SmallVector<Value> caches;
};

void RaisedFunction::readBatch() {
  batch = target.getArguments().back();
  int64_t capacity = INT32_MAX;
  for (const PlannedCache &cache : plan.caches)
    capacity = std::min(capacity, cache.capacity);
  const auto number = [&](Value value, int64_t least, int64_t most) -> Scalar {
    return {value, least, most, true, value, 0};
  };
  tokens = plan.count.isConstant() ? ScalarBuilder(body).constant(plan.count.constant)
                                   : number(body.create<kv::TokensOp>(batch), 1, capacity);
  start = number(body.create<kv::StartOp>(batch, 0), 0, capacity - 1);
  length = number(body.create<kv::LengthOp>(batch, 0), 1, capacity);
  Value isBeyond = body.create<arith::CmpIOp>(arith::CmpIPredicate::ugt, length.value,
                                              body.create<arith::ConstantIndexOp>(capacity));
  emitRequire(
      body, body.create<arith::IndexCastUIOp>(body.getIndexType(), isBeyond), body.create<arith::ConstantIndexOp>(0),
      "function " + plainName(function.name) + ": the call ends beyond the " + Twine(capacity) + " rows of its states");
}

std::optional<Scalar> RaisedFunction::scalarOf(const CallSum &sum) const {
  if (sum == plan.count)
    return tokens;
  if (sum == plan.start)
    return start;
  if (plan.lengths.contains(sum) || sum == plus(plan.start, plan.count))
    return length;
  return std::nullopt;
}

/// The rows of a mask are the call's; so are extents that are as many as its count or length.
std::optional<BoundExtent> RaisedFunction::bind(ValueId input, size_t dim) const {
  const size_t rank = function.values[input].type.tensor.dims.size();
  const bool isMask = llvm::any_of(plan.binds, [&](const PlannedBind &bound) {
    return bound.is == PlannedBind::Is::causal && bound.input == input;
  });
  if (isMask && dim + 2 == rank)
    return BoundExtent{tokens, 'T'};
  const std::optional<CallSums> extents = numbers.extents(input);
  const std::optional<Scalar> scalar = extents ? scalarOf((*extents)[dim]) : std::nullopt;
  if (!scalar)
    return std::nullopt;
  return BoundExtent{*scalar, scalar->value == tokens.value ? 'T' : 'S'};
}

/// An input that says where the rows begin is the batch's start.
void RaisedFunction::takeStart() {
  for (const PlannedBind &bound : plan.binds)
    if (bound.is == PlannedBind::Is::start) {
      Tensor tensor = import.find(bound.input, body);
      tensor.scalars = Scalars{start};
      if (tensor.rank() <= 1)
        import.define(bound.input, std::move(tensor));
    }
}

bool RaisedFunction::isView(ValueId value) const {
  const auto found = plan.views.find(value);
  return found != plan.views.end() && plan.states.contains(found->second.state);
}

void RaisedFunction::need(const Operation &operation) {
  live.insert(&operation);
  const auto add = [&](const coreml::Operand &operand) {
    if (operand.value)
      needed.insert(*operand.value);
  };
  if (const auto attend = plan.attends.find(&operation); attend != plan.attends.end())
    return add(attend->second.query);
  if (const auto claim = claims.find(&operation); claim != claims.end())
    return (void)llvm::for_each(claim->second.operands, add);
  for (const auto &[name, operands] : operation.inputs)
    for (const coreml::Operand &operand : operands)
      if (operation.type != "shape" || !operand.value || !isView(*operand.value))
        add(operand);
  for (const coreml::Block &block : operation.blocks) {
    for (const Operation &inner : block.operations)
      need(inner);
    needed.insert(block.outputs.begin(), block.outputs.end());
  }
}

/// From the last op to the first: what outputs, rows and registers are made from.
void RaisedFunction::findLive() {
  needed.insert(function.body.outputs.begin(), function.body.outputs.end());
  for (const Operation &operation : llvm::reverse(function.body.operations)) {
    const auto [first, last] = plan.appends.equal_range(&operation);
    for (auto append = first; append != last; ++append)
      if (append->second.rows.value)
        needed.insert(*append->second.rows.value);
    const coreml::Operand *state = operation.type == "write_state" ? operation.find("input") : nullptr;
    const bool isKept = state && state->value && !plan.states.contains(*state->value);
    const bool isNeeded = llvm::any_of(operation.outputs, [&](ValueId output) { return needed.contains(output); });
    if (first != last)
      live.insert(&operation);
    else if (isKept || isNeeded || !operation.blocks.empty())
      need(operation);
  }
  for (ValueId value : needed)
    if (isView(value))
      import.fail("'" + function.nameOf(value) + "' has contents of a state, which an op takes that is no attention");
}

/// A view has extents and no elements.
void RaisedFunction::defineView(ValueId value) {
  const std::optional<CallSums> extents = numbers.extents(value);
  if (!extents)
    return;
  Tensor tensor;
  tensor.element = function.values[value].type.tensor.element;
  for (const CallSum &sum : *extents) {
    const std::optional<Scalar> scalar =
        sum.isConstant() ? std::optional(ScalarBuilder(body).constant(sum.constant)) : scalarOf(sum);
    if (!scalar)
      return;
    tensor.dims.push_back(*scalar);
  }
  import.define(value, std::move(tensor));
}

void RaisedFunction::append(const PlannedAppend &append) {
  const PlannedCache &cache = plan.caches[append.cache];
  Value made = rows->rowsOf(append.rows, append.dims, cache.heads, cache.width);
  if (!made)
    return;
  Value &slot = caches[append.cache];
  slot = body.create<kv::AppendOp>(slot.getType(), slot, layerOf(append.layer), made, batch);
}

void RaisedFunction::attend(const Operation &operation, const PlannedAttend &attend) {
  const PlannedCache &keys = plan.caches[attend.keys], &values = plan.caches[attend.values];
  Value query = rows->rowsOf(attend.query, attend.dims, attend.heads, keys.width);
  if (!query || attend.heads % keys.heads != 0)
    return import.fail(function.describe(operation) + " has " + std::to_string(attend.heads) + " heads for " +
                       std::to_string(keys.heads));
  Value layer = layerOf(attend.layer);
  Value made =
      body.create<kv::AttendOp>(rows->rowsType({attend.heads, values.width}), query, caches[attend.keys], layer,
                                caches[attend.values], layer, batch, Value(), body.getF32FloatAttr(attend.scale),
                                FloatAttr(), IntegerAttr(), kv::MaskAttr::get(body.getContext(), kv::Mask::causal));
  rows->define(operation.outputs.front(), {made, attend.dims});
}

void RaisedFunction::emit(const Operation &operation, const RowClaim &claim) {
  emitter->operation = &operation;
  if (Value made = claim.emit(*emitter))
    rows->define(operation.outputs.front(), {made, claim.dims});
}

bool RaisedFunction::importOne(const Operation &operation) {
  for (ValueId output : operation.outputs) {
    if (const Tensor *tensor = opaque.lookup(output); tensor && (tensor->constant || tensor->compressed)) {
      Tensor same = *tensor; // whose extents are the other function's values
      for (Scalar &dim : same.dims)
        dim = ScalarBuilder(body).constant(*dim.constant());
      import.define(output, std::move(same));
      return true;
    }
    if (isView(output)) {
      defineView(output);
      return true;
    }
  }
  if (!live.contains(&operation))
    return true;
  body.setLoc(NameLoc::get(body.getStringAttr(function.describe(operation))));
  const auto [first, last] = plan.appends.equal_range(&operation);
  for (auto each = first; each != last; ++each)
    append(each->second);
  if (first != last)
    return !import.failure();
  if (const auto found = plan.attends.find(&operation); found != plan.attends.end())
    return attend(operation, found->second), !import.failure();
  if (const auto claim = claims.find(&operation); claim != claims.end())
    return emit(operation, claim->second), !import.failure();
  return import.importOperation(operation, body);
}

Status RaisedFunction::build() {
  readBatch();
  border.takeInputs([this](ValueId input, size_t dim) { return bind(input, dim); });
  takeStart();
  border.getRegisters();
  for (size_t i = 0; i < plan.caches.size(); ++i)
    caches.push_back(target.getArgument(target.getNumArguments() - 1 - plan.caches.size() + i));
  rows.emplace(import, body, tokens);
  emitter.emplace(RowEmitter{import, *rows, body, nullptr, {}});
  findLive();
  for (const Operation &operation : function.body.operations)
    if (import.failure() || !importOne(operation))
      return Failure{*import.failure()};
  return border.finish(caches);
}
} // namespace

Status buildRaisedFunction(const coreml::Program &program, const FunctionImport &opaque, const FunctionPlan &plan,
                           const StateTypes &registers, func::FuncOp target) {
  return RaisedFunction(program, opaque, plan, registers, target).build();
}

} // namespace kvasir::mil
