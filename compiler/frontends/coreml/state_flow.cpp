// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/state_flow.h"

#include <algorithm>
#include <set>

namespace kvasir::coreml {
namespace {

/// Ops that move or narrow what is in `x` and compute nothing.
bool isMovement(std::string_view type) {
  constexpr std::string_view kTypes[] = {"cast",           "expand_dims", "identity", "reshape",
                                         "slice_by_index", "squeeze",     "tile",     "transpose"};
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

/// Indices of a function's scatters, which are followed one by one: of more, nothing is known.
constexpr int64_t kMostIndices = 1 << 16;

bool isScatter(std::string_view type) {
  return type == "scatter" || type == "scatter_along_axis" || type == "scatter_nd";
}

/// The values that an op takes, and those that its blocks give it.
void addUses(const Operation &operation, std::set<ValueId> &used) {
  for (const auto &[name, operands] : operation.inputs)
    for (const Operand &operand : operands)
      if (operand.value)
        used.insert(*operand.value);
  for (const Block &block : operation.blocks)
    used.insert(block.outputs.begin(), block.outputs.end());
}

/// What a value came from, through movements and updates.
struct Root {
  ValueId state;
  const Operation *read;
  uint32_t numWritesBefore;
  bool isUpdated; ///< a slice_update or scatter lies between
};

struct LastReversal {
  const Operation *write;
  Root root; ///< of what it stores
  uint32_t numWritesBefore;
};

class Follower {
public:
  explicit Follower(const Function &function) : function(function), expressions(function) { flow.function = &function; }

  StateFlow follow() {
    for (ValueId input : function.inputs)
      if (function.values[input].type.kind == TypeKind::state)
        flow.states.push_back(input);
    walk(function.body, nullptr);
    addReversals();
    markStored();
    keepStaleAttentions();
    findUnusedInputs();
    return std::move(flow);
  }

private:
  void walk(const Block &block, const Operation *under) {
    for (const Operation &operation : block.operations) {
      order.push_back(&operation);
      visit(operation, under);
      for (const Block &inner : operation.blocks)
        walk(inner, &operation);
    }
  }

  void visit(const Operation &operation, const Operation *under) {
    if (operation.type == "read_state")
      return read(operation, under);
    if (operation.type == "write_state")
      return write(operation, under);
    if (operation.type == "scaled_dot_product_attention")
      return attend(operation);
    const Root *root = rootOf(operation.find(isScatter(operation.type) ? "data" : "x"));
    if (!root || operation.outputs.empty())
      return;
    if (operation.type == "slice_update" || isScatter(operation.type))
      return update(operation, *root);
    if (isMovement(operation.type))
      roots.insert_or_assign(operation.outputs.front(), *root);
  }

  const Root *rootOf(const Operand *operand) const {
    const auto found = operand && operand->value ? roots.find(*operand->value) : roots.end();
    return found == roots.end() ? nullptr : &found->second;
  }

  void read(const Operation &operation, const Operation *under) {
    const Operand *state = operation.find("input");
    if (!state || !state->value || operation.outputs.empty())
      return;
    const uint32_t before = numWrites[*state->value];
    flow.reads.push_back({&operation, *state->value, before, under});
    roots.insert_or_assign(operation.outputs.front(), Root{*state->value, &operation, before, false});
  }

  void write(const Operation &operation, const Operation *under) {
    const Operand *state = operation.find("input");
    if (!state || !state->value)
      return;
    uint32_t &before = numWrites[*state->value];
    flow.writes.push_back({&operation, *state->value, before, under});
    const Root *root = rootOf(operation.find("data"));
    if (root && root->state == *state->value && root->numWritesBefore < before)
      lastReversals.insert_or_assign(*state->value, LastReversal{&operation, *root, before});
    ++before;
  }

  void addReversals() {
    for (const auto &[state, last] : lastReversals) {
      Reversal &reversal = flow.reversals.emplace_back(Reversal{last.write, last.root.read, {}, state});
      for (const StateAccess &write : flow.writes)
        if (write.state == state && write.numWritesBefore >= last.root.numWritesBefore &&
            write.numWritesBefore < last.numWritesBefore)
          reversal.reverted.push_back(write.operation);
    }
  }

  void update(const Operation &operation, const Root &root) {
    const ValueId output = operation.outputs.front();
    flow.updates.push_back({&operation, root.state, root.read, root.numWritesBefore, false, {}});
    if (function.values[output].type.tensor.dims == function.values[root.state].type.tensor.dims)
      flow.updates.back().range = isScatter(operation.type) ? scatteredRange(operation) : rangeOf(operation);
    roots.insert_or_assign(output, Root{root.state, root.read, root.numWritesBefore, true});
  }

  std::vector<AxisRange> rangeOf(const Operation &operation) const {
    const std::vector<int64_t> &dims = function.values[operation.outputs.front()].type.tensor.dims;
    std::vector<AxisRange> range;
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      const bool fromStart = isSet(operation, "begin_mask", axis), toEnd = isSet(operation, "end_mask", axis);
      AxisRange part{fromStart && toEnd, fromStart ? IndexExpression{} : indexOf(operation, "begin", axis), kAnySize};
      if (const auto end = toEnd ? IndexExpression{{}, dims[axis]} : indexOf(operation, "end", axis); end && part.begin)
        part.extent = end->terms == part.begin->terms ? end->constant - part.begin->constant : kAnySize;
      if (isSet(operation, "squeeze_mask", axis))
        part.extent = 1;
      part.isWhole |= part.extent == dims[axis];
      range.push_back(std::move(part));
    }
    return range;
  }

  /// All of each axis but of those that indices are for.
  std::vector<AxisRange> scatteredRange(const Operation &operation) {
    const std::vector<int64_t> &dims = function.values[operation.outputs.front()].type.tensor.dims;
    const Operand *indices = operation.find("indices"), *axis = operation.find("axis");
    const TensorType type = indices ? typeOf(*indices) : TensorType();
    const bool isNested = operation.type == "scatter_nd";
    const std::optional<IndexExpression> number = axis && !isNested ? expressions.find(*axis, 0) : std::nullopt;
    const int64_t given = number ? number->constant : 0, first = given < 0 ? given + int64_t(dims.size()) : given;
    const int64_t depth = isNested && !type.dims.empty() ? type.dims.back() : 1;
    if (type.dims.empty() || depth < 1 || first < 0 || depth > int64_t(dims.size()) - first)
      return {};
    std::vector<AxisRange> range;
    for (int64_t dim : dims)
      range.push_back({true, IndexExpression{}, dim});
    const bool isAlong = operation.type == "scatter_along_axis";
    const std::vector<int64_t> places(type.dims.begin(), type.dims.end() - isNested);
    size_t numMoving = 0;
    for (int64_t i = 0; i < depth; ++i) {
      AxisRange &part = range[size_t(first + i)];
      part = runOf(*indices, places, uint64_t(depth), uint64_t(i), isAlong ? size_t(first) : 0);
      part.isWhole = part.extent == dims[size_t(first + i)];
      numMoving += part.extent != 1;
    }
    for (int64_t i = 0; i < depth && numMoving > 1; ++i) // what moves along two axes is no box
      range[size_t(first + i)] = {false, std::nullopt, kAnySize};
    return range;
  }

  /// What number `offset` of each `depth` of the indices names, which lie at `places`: one row, a run along `axis`, or
  /// rows that no call moves.
  AxisRange runOf(const Operand &indices, const std::vector<int64_t> &places, uint64_t depth, uint64_t offset,
                  size_t axis) {
    const AxisRange unknown{false, std::nullopt, kAnySize};
    int64_t count = 1, inner = 1;
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i] < 1 || places[i] > kMostIndices || (count *= places[i]) > kMostIndices)
        return unknown;
      inner *= i > axis ? places[i] : 1;
    }
    if ((numIndices += count) > kMostIndices)
      return unknown;
    const int64_t numRows = axis < places.size() ? places[axis] : 1;
    const std::optional<IndexExpression> first = expressions.find(indices, offset);
    IndexExpression least = first.value_or(IndexExpression{});
    bool isOne = true, isRun = true, isFrozen = true;
    for (int64_t i = 0; i < count; ++i) {
      const std::optional<IndexExpression> index = expressions.find(indices, uint64_t(i) * depth + offset);
      if (!first || !index)
        return unknown;
      IndexExpression next = *first;
      next.constant += i / inner % numRows;
      isOne &= *index == *first;
      isRun &= *index == next;
      isFrozen &= index->isConstant();
      least.constant = std::min(least.constant, index->constant);
    }
    if (isOne || isRun)
      return {false, first, isOne ? 1 : numRows};
    return isFrozen ? AxisRange{false, least, kAnySize} : unknown;
  }

  const TensorType &typeOf(const Operand &operand) const {
    return operand.literal ? operand.literal->type : function.values[*operand.value].type.tensor;
  }

  std::optional<IndexExpression> indexOf(const Operation &operation, std::string_view name, size_t axis) const {
    const Operand *operand = operation.find(name);
    return operand ? expressions.find(*operand, axis) : std::nullopt;
  }

  bool isSet(const Operation &operation, std::string_view name, size_t axis) const {
    const Operand *mask = operation.find(name);
    const Constant *constant = mask ? function.constantOf(*mask) : nullptr;
    const std::optional<std::vector<int64_t>> bits = constant ? constant->asIntegers() : std::nullopt;
    return bits && axis < bits->size() && (*bits)[axis] != 0;
  }

  void attend(const Operation &operation) {
    for (const char *name : {"key", "value"})
      if (const Root *root = rootOf(operation.find(name)); root && !root->isUpdated && root->numWritesBefore == 0)
        flow.staleAttentions.push_back({&operation, name, root->read, root->state});
  }

  /// Marks, from the last op to the first, what reaches a write_state.
  void markStored() {
    std::set<ValueId> stored;
    for (auto at = order.rbegin(); at != order.rend(); ++at) {
      const Operation &operation = **at;
      const bool reaches =
          operation.type == "write_state" || std::any_of(operation.outputs.begin(), operation.outputs.end(),
                                                         [&](ValueId output) { return stored.contains(output); });
      if (!reaches)
        continue;
      addUses(operation, stored);
    }
    for (StateUpdate &update : flow.updates)
      update.isStored = stored.contains(update.operation->outputs.front());
  }

  /// Keys that were read first are stale only if rows are written afterwards.
  void keepStaleAttentions() {
    std::erase_if(flow.staleAttentions, [&](const StaleAttention &each) { return numWrites[each.state] == 0; });
  }

  void findUnusedInputs() {
    std::set<ValueId> used(function.body.outputs.begin(), function.body.outputs.end());
    for (auto at = order.rbegin(); at != order.rend(); ++at) {
      const Operation &operation = **at;
      if (operation.type == "identity" && !operation.outputs.empty() && !used.contains(operation.outputs.front()))
        continue;
      addUses(operation, used);
    }
    for (ValueId input : function.inputs)
      if (!used.contains(input) && function.values[input].type.kind == TypeKind::tensor)
        flow.unusedInputs.push_back(input);
  }

  const Function &function;
  const IndexExpressions expressions;
  StateFlow flow;
  std::map<ValueId, Root> roots;
  std::map<ValueId, uint32_t> numWrites; ///< so far, by state
  std::map<ValueId, LastReversal> lastReversals;
  std::vector<const Operation *> order;
  int64_t numIndices = 0; ///< followed so far
};

} // namespace

const StateAccess *StateFlow::findWrite(const std::string &name) const {
  const auto found = std::find_if(writes.begin(), writes.end(),
                                  [&](const StateAccess &write) { return function->nameOf(write.state) == name; });
  return found == writes.end() ? nullptr : &*found;
}

bool StateFlow::writesState(const std::string &name) const { return findWrite(name) != nullptr; }

bool StateFlow::usesInput(const std::string &name) const {
  const auto isNamed = [&](ValueId input) { return function->nameOf(input) == name; };
  return std::any_of(function->inputs.begin(), function->inputs.end(), isNamed) &&
         std::none_of(unusedInputs.begin(), unusedInputs.end(), isNamed);
}

StateFlow followStates(const Function &function) { return Follower(function).follow(); }

} // namespace kvasir::coreml
