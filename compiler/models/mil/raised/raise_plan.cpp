// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/raise_plan.h"

#include "compiler/models/mil/raised/slab_axes.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using coreml::Operation;
using coreml::ValueId;
using States = std::pair<ValueId, ValueId>;

Slab slabOf(const StateView &view) { return {view.state, {view.fixed.begin(), view.fixed.end()}}; }

/// The attentions over the same two states: one a layer.
struct Layers {
  States states;
  std::vector<const Attention *> attentions;
};

class Planner {
public:
  Planner(const KnownNumbers &numbers, StateUses found)
      : numbers(numbers), function(numbers.function), uses(std::move(found)) {}

  FunctionPlan plan();

private:
  void fail(ValueId state, const std::string &reason) { uses.reasons.try_emplace(state, reason); }
  bool hasFailed(const States &states) const {
    return uses.reasons.contains(states.first) || uses.reasons.contains(states.second);
  }
  void failBoth(const States &states, const std::string &reason) {
    fail(states.first, reason);
    fail(states.second, reason);
  }

  void chooseRows();
  bool bindStart(const CallSum &start);
  bool bindCount();
  bool bindLength(const CallSum &rows);
  void checkWrites();
  std::vector<Layers> groupAttentions();
  std::optional<RowDims> queryDims(const Attention &attention, int64_t &heads) const;
  void checkAttention(const Attention &attention, const States &states);
  bool checkMask(const Attention &attention);
  bool checkSide(const Attention &attention, const StateView &view);
  const RowWrite *writeOf(const Slab &slab) const;
  void addCaches(const Layers &layers);
  std::optional<PlannedCache> cacheOf(const Layers &layers, bool isValues);
  void addAppend(size_t cache, int64_t layer, const StateView &view);
  void failUnread();
  ValueId inputOf(const CallNumber &number) const;

  const KnownNumbers &numbers;
  const coreml::Function &function;
  StateUses uses;
  FunctionPlan made;
};

/// The input that is an argument of the opaque form; arguments are the tensors among the inputs.
ValueId Planner::inputOf(const CallNumber &number) const {
  unsigned argument = 0;
  for (ValueId input : function.inputs)
    if (function.values[input].type.kind == coreml::TypeKind::tensor && argument++ == number.input)
      return input;
  return function.inputs.front();
}

/// An extent of an input that is the rows after the call.
bool Planner::bindLength(const CallSum &rows) {
  if (made.lengths.contains(rows))
    return true;
  const CallNumber *number = rows.single();
  if (!number || !number->isExtent() || rows == made.count)
    return false;
  made.binds.push_back({PlannedBind::Is::length, inputOf(*number), number->index});
  made.lengths.insert(rows);
  return true;
}

/// The start is an input, or what the extent of a mask leaves beside this call's rows.
bool Planner::bindStart(const CallSum &start) {
  const CallNumber *number = start.single();
  if (number && !number->isExtent()) {
    const ValueId input = inputOf(*number);
    const std::vector<int64_t> &dims = function.values[input].type.tensor.dims;
    if (llvm::any_of(dims, [](int64_t dim) { return dim != 1; }))
      return false;
    made.binds.push_back({PlannedBind::Is::start, input, std::nullopt});
    made.lengths.insert(plus(start, made.count));
    return true;
  }
  return bindLength(plus(start, made.count));
}

/// The first input that has an extent of as many as the call brings; its last one, where several of its dims have.
bool Planner::bindCount() {
  unsigned argument = 0;
  for (ValueId input : function.inputs) {
    const coreml::Type &type = function.values[input].type;
    if (type.kind != coreml::TypeKind::tensor)
      continue;
    const bool isStart =
        llvm::any_of(made.binds, [&](const PlannedBind &bind) { return bind.input == input && !bind.dim; });
    for (int64_t dim = int64_t(type.tensor.dims.size()); dim-- > 0 && !isStart;) {
      const int64_t extent = type.tensor.dims[dim];
      const CallSum sum = extent == coreml::kAnySize ? CallSum{0, {{{CallNumber::Kind::extent, argument, dim}, 1}}}
                                                     : CallSum{extent, {}};
      if (sum != made.count)
        continue;
      made.binds.push_back({PlannedBind::Is::count, input, dim});
      return true;
    }
    ++argument;
  }
  return false;
}

/// The rows of a call are those of the first write whose place a host can know.
void Planner::chooseRows() {
  for (const RowWrite &write : uses.writes) {
    if (uses.reasons.contains(write.slab.state))
      continue;
    made.count = write.count;
    made.start = write.begin;
    const bool hasStart = bindStart(write.begin);
    if (hasStart && bindCount())
      return;
    made.binds.clear();
    made.lengths.clear();
    const std::string name = function.describe(*write.update);
    fail(write.slab.state, hasStart ? name + " replaces another number of rows than any input has"
                                    : name + " replaces rows from a place on that is neither an input nor the width of "
                                             "one less the rows of the call");
  }
}

void Planner::checkWrites() {
  std::map<Slab, const RowWrite *> first;
  for (const RowWrite &write : uses.writes) {
    const std::string name = function.describe(*write.update);
    if (write.begin != made.start || write.count != made.count)
      fail(write.slab.state,
           name + " replaces other rows than " + function.describe(*uses.writes.front().update) + " does");
    else if (const auto [known, isNew] = first.try_emplace(write.slab, &write); !isNew)
      fail(write.slab.state,
           name + " replaces the rows that " + function.describe(*known->second->update) + " has replaced");
  }
}

const RowWrite *Planner::writeOf(const Slab &slab) const {
  const auto found = llvm::find_if(uses.writes, [&](const RowWrite &write) { return write.slab == slab; });
  return found == uses.writes.end() ? nullptr : &*found;
}

bool Planner::checkSide(const Attention &attention, const StateView &view) {
  const std::string name = function.describe(*attention.operation);
  const RowWrite *write = writeOf(slabOf(view));
  if (!write)
    return fail(view.state,
                name + " attends a part of the state whose rows the call does not write, or not as a whole"),
           false;
  if (write->number >= view.numWrites)
    return fail(view.state, name + " attends what was read before " + function.describe(*write->write)), false;
  if (view.rowAxis >= 0 && (view.rowAxis != write->rowAxis || !bindLength(view.numRows)))
    return fail(view.state, name + " attends other rows than those from 0 to the end of the call's"), false;
  return true;
}

/// Without a mask the one new row may see all rows that there are.
bool Planner::checkMask(const Attention &attention) {
  if (!attention.mask)
    return made.count == CallSum{1, {}} && attention.keys.rowAxis >= 0;
  const ValueId input = *attention.mask;
  const std::vector<int64_t> &dims = function.values[input].type.tensor.dims;
  const std::optional<CallSums> extents = numbers.extents(input);
  if (dims.size() < 2 || !extents || isInteger(function.values[input].type.tensor.element))
    return false;
  for (size_t i = 0; i + 2 < dims.size(); ++i)
    if (dims[i] != 1)
      return false;
  const CallSum &rows = (*extents)[dims.size() - 2];
  if (rows != made.count && (rows.isConstant() || made.count == CallSum{1, {}}))
    return false;
  if (llvm::none_of(made.binds,
                    [&](const PlannedBind &bind) { return bind.is == PlannedBind::Is::causal && bind.input == input; }))
    made.binds.push_back({PlannedBind::Is::causal, input, std::nullopt});
  return true;
}

/// Nothing where heads are in more than one dim, or rows are not the call's.
std::optional<RowDims> Planner::queryDims(const Attention &attention, int64_t &heads) const {
  const std::optional<CallSums> extents = numbers.extents(&attention.query);
  if (!extents || extents->size() < 2 || (*extents)[extents->size() - 2] != made.count)
    return std::nullopt;
  RowDims dims(extents->size());
  heads = 1;
  for (size_t i = 0; i + 2 < extents->size(); ++i) {
    const CallSum &extent = (*extents)[i];
    if (extent == CallSum{1, {}})
      continue;
    if (!extent.isConstant() || heads != 1)
      return std::nullopt;
    heads = extent.constant;
    dims[i] = {RowAxis::head};
  }
  dims[dims.size() - 2] = {RowAxis::token};
  dims[dims.size() - 1] = {RowAxis::lane};
  return dims;
}

void Planner::checkAttention(const Attention &attention, const States &states) {
  if (!checkSide(attention, attention.keys) || !checkSide(attention, attention.values))
    return failBoth(states, "its keys or values are in a state that is not raised");
  int64_t heads = 0;
  if (!queryDims(attention, heads))
    failBoth(states, function.describe(*attention.operation) +
                         " has a query of other rows than the call's, or heads in more than one dim");
  if (slabOf(attention.keys) == slabOf(attention.values))
    failBoth(states, function.describe(*attention.operation) + " has the same rows as keys and as values");
  if (!checkMask(attention))
    failBoth(states, function.describe(*attention.operation) + " has no mask that can be causal");
}

std::vector<Layers> Planner::groupAttentions() {
  std::vector<Layers> groups;
  for (const Attention &attention : uses.attentions) {
    const States states{attention.keys.state, attention.values.state};
    if (!hasFailed(states))
      checkAttention(attention, states);
    auto group = llvm::find_if(groups, [&](const Layers &layers) { return layers.states == states; });
    if (group == groups.end())
      group = groups.insert(groups.end(), Layers{states, {}});
    group->attentions.push_back(&attention);
  }
  return groups;
}

std::optional<PlannedCache> Planner::cacheOf(const Layers &layers, bool isValues) {
  const ValueId state = isValues ? layers.states.second : layers.states.first;
  std::vector<const StateView *> views;
  for (const Attention *attention : layers.attentions)
    views.push_back(isValues ? &attention->values : &attention->keys);
  const coreml::TensorType &type = function.values[state].type.tensor;
  const RowWrite *write = writeOf(slabOf(*views.front()));
  const std::optional<SlabAxes> axes = slabAxesOf(views, write->rowAxis, type.dims);
  if (!axes) {
    fail(state, "the axes of " + coreml::text(type) + " are not layer, head, row and element in a way that is known");
    return std::nullopt;
  }
  PlannedCache cache;
  cache.state = function.nameOf(state);
  const bool isShared = layers.states.first == layers.states.second;
  cache.name = cache.state + (!isShared ? ".rows" : isValues ? ".values" : ".keys");
  cache.layers = int64_t(views.size());
  cache.heads = axes->heads;
  cache.width = axes->width;
  cache.capacity = type.dims[write->rowAxis];
  cache.element = type.element;
  cache.axes = axes->names;
  return cache;
}

void Planner::addAppend(size_t cache, int64_t layer, const StateView &view) {
  const RowWrite *write = writeOf(slabOf(view));
  const SlabAxes axes = *slabAxesOf({&view}, write->rowAxis, function.values[view.state].type.tensor.dims);
  PlannedAppend append{cache, layer, *write->update->find("update"), {}};
  for (int64_t axis : llvm::reverse(write->axes))
    append.dims.push_back(axes.rows[axis]);
  made.appends.emplace(write->write, std::move(append));
}

void Planner::addCaches(const Layers &layers) {
  std::optional<PlannedCache> keys = cacheOf(layers, false), values = cacheOf(layers, true);
  if (!keys || !values)
    return failBoth(layers.states, "its keys or values are in a state that is not raised");
  values->keys = keys->name;
  const size_t first = made.caches.size();
  made.caches.insert(made.caches.end(), {*keys, *values});
  for (auto [layer, attention] : llvm::enumerate(layers.attentions)) {
    addAppend(first, int64_t(layer), attention->keys);
    addAppend(first + 1, int64_t(layer), attention->values);
    int64_t heads = 1;
    RowDims dims = *queryDims(*attention, heads);
    made.attends.emplace(attention->operation, PlannedAttend{first, first + 1, int64_t(layer), attention->query,
                                                             std::move(dims), heads, attention->scale});
  }
  made.states.insert({layers.states.first, layers.states.second});
}

/// Rows that no attention reads are no cache's.
void Planner::failUnread() {
  std::set<Slab> read;
  for (const Attention &attention : uses.attentions)
    read.insert({slabOf(attention.keys), slabOf(attention.values)});
  for (const RowWrite &write : uses.writes)
    if (!read.contains(write.slab))
      fail(write.slab.state, function.describe(*write.update) + " writes rows that no attention which is known reads");
  for (ValueId input : function.inputs)
    if (function.values[input].type.kind == coreml::TypeKind::state &&
        llvm::none_of(uses.writes, [&](const RowWrite &write) { return write.slab.state == input; }))
      fail(input, "no op writes this call's rows");
}

FunctionPlan Planner::plan() {
  failUnread();
  chooseRows();
  checkWrites();
  for (const Layers &layers : groupAttentions()) {
    if (hasFailed(layers.states))
      failBoth(layers.states, "its keys or values are in a state that is not raised");
    else
      addCaches(layers);
  }
  made.views = uses.views;
  for (const auto &[state, reason] : uses.reasons)
    made.reasons[function.nameOf(state)] = reason;
  return std::move(made);
}
} // namespace

FunctionPlan planFunction(const KnownNumbers &numbers) { return Planner(numbers, stateUsesOf(numbers)).plan(); }

} // namespace kvasir::mil
