// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/state_uses.h"

#include <cmath>

using namespace mlir;

namespace kvasir::mil {
namespace {

using coreml::Operation;
using coreml::ValueId;

/// Follows the ops of a function in their order.
class UseFollower {
public:
  explicit UseFollower(const KnownNumbers &numbers) : numbers(numbers), function(numbers.function) {}

  StateUses follow() {
    for (const Operation &operation : function.body.operations) {
      visit(operation);
      for (const coreml::Block &block : operation.blocks)
        refuseInside(operation, block);
    }
    return std::move(uses);
  }

private:
  void visit(const Operation &operation);
  void read(const Operation &operation);
  void update(const Operation &operation);
  void write(const Operation &operation);
  void attend(const Operation &operation);
  void refuseInside(const Operation &owner, const coreml::Block &block);
  void fail(ValueId state, const std::string &reason) { uses.reasons.try_emplace(state, reason); }

  const StateView *viewOf(const coreml::Operand *operand) const;
  std::optional<RowWrite> rowWriteOf(const Operation &operation, const StateView &view);
  std::optional<ValueId> maskOf(const Operation &operation) const;
  bool keepsMask(const Operation &operation) const;
  ArrayRef<int64_t> shapeOf(ValueId state) const { return function.values[state].type.tensor.dims; }

  const KnownNumbers &numbers;
  const coreml::Function &function;
  StateUses uses;
  std::map<ValueId, uint32_t> numWrites;            ///< by state
  std::map<ValueId, std::vector<RowWrite>> pending; ///< by the value that has the rows and is not written yet
  std::map<ValueId, const Operation *> makers;
};

const StateView *UseFollower::viewOf(const coreml::Operand *operand) const {
  const auto found = operand && operand->value ? uses.views.find(*operand->value) : uses.views.end();
  return found == uses.views.end() ? nullptr : &found->second;
}

void UseFollower::visit(const Operation &operation) {
  for (ValueId output : operation.outputs)
    makers[output] = &operation;
  if (operation.type == "read_state")
    return read(operation);
  if (operation.type == "write_state")
    return write(operation);
  if (operation.type == "slice_update")
    return update(operation);
  if (operation.type == "scaled_dot_product_attention")
    return attend(operation);
  if (const StateView *view = viewOf(operation.find("x")))
    if (std::optional<StateView> next = moved(*view, operation, numbers))
      uses.views[operation.outputs.front()] = std::move(*next);
}

void UseFollower::read(const Operation &operation) {
  const coreml::Operand *state = operation.find("input");
  if (state && state->value)
    uses.views[operation.outputs.front()] = wholeView(*state->value, numWrites[*state->value], shapeOf(*state->value));
}

/// Ops in blocks run or not, as a call decides.
void UseFollower::refuseInside(const Operation &owner, const coreml::Block &block) {
  for (const Operation &operation : block.operations) {
    const coreml::Operand *state = operation.find("input");
    if ((operation.type == "read_state" || operation.type == "write_state") && state && state->value)
      fail(*state->value, function.describe(operation) + " is under " + function.describe(owner) +
                              ", which runs it in some calls only");
    for (const coreml::Block &inner : operation.blocks)
      refuseInside(operation, inner);
  }
}

std::optional<RowWrite> UseFollower::rowWriteOf(const Operation &operation, const StateView &view) {
  const ArrayRef<int64_t> shape = shapeOf(view.state);
  const std::string name = function.describe(operation);
  const auto refuse = [&](const std::string &reason) { return fail(view.state, name + " " + reason), std::nullopt; };
  if (view.dims != wholeView(view.state, 0, shape).dims ||
      llvm::any_of(view.fixed, [](int64_t index) { return index; }))
    return refuse("replaces rows of a part of the state that was taken out of it");
  const auto extents = numbers.extents(operation.find("x"));
  const auto slices = extents ? numbers.slices(operation, *extents) : std::nullopt;
  if (!slices)
    return refuse("replaces rows whose place is no sum of the call's inputs");
  RowWrite write{{view.state, std::vector<int64_t>(shape.size())}, &operation, nullptr, 0, -1, {}, {}, {}};
  for (size_t axis = slices->size(); axis-- > 0;) {
    const DimSlice &slice = (*slices)[axis];
    if (!slice.isDropped)
      write.axes.push_back(int64_t(axis));
    if (slice.isWhole)
      continue;
    if (slice.begin.isConstant() && slice.count() == CallSum{1, {}}) {
      write.slab.fixed[axis] = slice.begin.constant;
      continue;
    }
    if (write.rowAxis >= 0 || slice.isDropped)
      return refuse("replaces rows along more than one axis");
    write.rowAxis = int64_t(axis);
    write.begin = slice.begin;
    write.count = slice.count();
  }
  if (write.rowAxis < 0)
    return refuse("writes the same rows in every call, or all of them");
  return write.begin.isConstant()
             ? refuse("writes rows from " + std::to_string(write.begin.constant) + " on in every call")
             : std::optional(std::move(write));
}

void UseFollower::update(const Operation &operation) {
  const StateView *view = viewOf(operation.find("x"));
  if (!view)
    return;
  std::optional<RowWrite> made = rowWriteOf(operation, *view);
  if (!made)
    return;
  const ValueId result = operation.outputs.front();
  pending[result] = pending[*operation.find("x")->value];
  pending[result].push_back(std::move(*made));
  uses.views.insert_or_assign(result, StateView(*view));
}

void UseFollower::write(const Operation &operation) {
  const coreml::Operand *state = operation.find("input"), *stored = operation.find("data");
  if (!state || !state->value)
    return;
  const StateView *view = viewOf(stored);
  uint32_t &before = numWrites[*state->value];
  if (!view || view->state != *state->value || !pending.contains(*stored->value))
    fail(*state->value, function.describe(operation) + " stores what is not the state with rows of it replaced");
  else if (view->numWrites != before)
    fail(*state->value, function.describe(operation) + " puts rows back to what they were before another write");
  else
    for (RowWrite &row : pending[*stored->value]) {
      row.write = &operation;
      row.number = before;
      uses.writes.push_back(row);
    }
  ++before;
}

/// Ops through which a mask is still the call's.
bool UseFollower::keepsMask(const Operation &operation) const {
  if (operation.type == "cast" || operation.type == "identity" || operation.type == "expand_dims")
    return true;
  if (operation.type != "slice_by_index")
    return false;
  const auto extents = numbers.extents(operation.find("x"));
  const auto slices = extents ? numbers.slices(operation, *extents) : std::nullopt;
  return slices && llvm::all_of(*slices, [](const DimSlice &slice) { return slice.begin == CallSum{}; });
}

/// The input that a mask is.
std::optional<ValueId> UseFollower::maskOf(const Operation &operation) const {
  const coreml::Operand *mask = operation.find("attn_mask");
  while (mask && mask->value) {
    const auto maker = makers.find(*mask->value);
    if (maker == makers.end())
      return llvm::is_contained(function.inputs, *mask->value) ? mask->value : std::nullopt;
    mask = keepsMask(*maker->second) ? maker->second->find("x") : nullptr;
  }
  return std::nullopt;
}

void UseFollower::attend(const Operation &operation) {
  const StateView *keys = viewOf(operation.find("key")), *values = viewOf(operation.find("value"));
  if (!keys || !values)
    return;
  const auto extents = numbers.extents(operation.find("query"));
  Attention attention{&operation, *operation.find("query"), *keys, *values, maskOf(operation), 0};
  if (operation.find("attn_mask") && !attention.mask) {
    for (const StateView *view : {keys, values})
      fail(view->state, function.describe(operation) + " has a mask that is no input of the function");
    return;
  }
  if (!extents || !extents->back().isConstant())
    return;
  attention.scale =
      float(numbers.real(operation.find("scale")).value_or(1 / std::sqrt(double(extents->back().constant))));
  uses.attentions.push_back(std::move(attention));
}
} // namespace

StateUses stateUsesOf(const KnownNumbers &numbers) { return UseFollower(numbers).follow(); }

} // namespace kvasir::mil
