// SPDX-License-Identifier: MIT
// Regions and calls: the trace goes where the call would go.
#include "compiler/dialects/kv/state_trace.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
bool touchesState(Operation *op) {
  auto isState = [](Type type) { return isa<SlotType, ViewType>(type); };
  return op
      ->walk([&](Operation *inner) {
        bool holds = llvm::any_of(inner->getOperandTypes(), isState) || llvm::any_of(inner->getResultTypes(), isState);
        return holds ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}
} // namespace

void StateTrace::visitBlock(Block &block, Facts &facts) {
  for (Operation &op : block.without_terminator())
    visit(&op, facts);
}

/// Hands values across an edge of control flow; a slot is consumed on the way.
void StateTrace::pass(Operation *op, ValueRange from, ValueRange to, Facts &source, Facts &target) {
  SmallVector<Fact> passed;
  for (Value value : from)
    passed.push_back(consume(op, value, source));
  for (auto [value, fact] : llvm::zip(to, passed))
    target[value] = fact;
}

/// A group changes nothing but who does the work: its body is the code around it.
void StateTrace::visitGroup(GroupOp op, Facts &facts) {
  Block &block = op.getBody().front();
  visitBlock(block, facts);
  pass(block.getTerminator(), block.getTerminator()->getOperands(), op.getResults(), facts, facts);
}

void StateTrace::visitLayers(LoopOp op, Facts &facts) {
  if (!touchesState(op))
    return visitPlainLoop(cast<LoopLikeOpInterface>(op.getOperation()), facts);
  Block &body = op.getBody().front();
  Operation *yield = body.getTerminator();
  pass(op, op.getCarried(), op.getRegionIterArgs(), facts, facts);
  bool isLast = false;
  for (int64_t layer = op.getFrom(); !isLast; ++layer) {
    facts[op.getLayer()] = Fact::ofNumber(IntegerAttr::get(op.getLayer().getType(), layer));
    visitBlock(body, facts);
    isLast = layer + 1 >= int64_t(op.getTo()) || isExhausted();
    ValueRange target = isLast ? ValueRange(op.getResults()) : ValueRange(op.getRegionIterArgs());
    pass(yield, yield->getOperands(), target, facts, facts);
  }
}

/// scf.for stays legal over layers, when its bounds are constants.
void StateTrace::visitFor(scf::ForOp op, Facts &facts) {
  constexpr int64_t kMostLayers = 1 << 14; // a longer loop over state is no loop over layers
  if (!touchesState(op))
    return visitPlainLoop(cast<LoopLikeOpInterface>(op.getOperation()), facts);
  std::optional<int64_t> from = constantOf(op.getLowerBound(), facts), to = constantOf(op.getUpperBound(), facts),
                         step = constantOf(op.getStep(), facts);
  if (!from || !to || !step || *step < 1 || (*to - *from) / *step > kMostLayers) {
    report(op, Rule::loop);
    return pass(op, op.getInitArgs(), op.getResults(), facts, facts);
  }
  Operation *yield = op.getBody()->getTerminator();
  bool isLast = *from >= *to;
  pass(op, op.getInitArgs(), isLast ? ValueRange(op.getResults()) : ValueRange(op.getRegionIterArgs()), facts, facts);
  for (int64_t i = *from; !isLast; i += *step) {
    facts[op.getInductionVar()] = Fact::ofNumber(IntegerAttr::get(op.getInductionVar().getType(), i));
    visitBlock(*op.getBody(), facts);
    isLast = i + *step >= *to || isExhausted();
    ValueRange target = isLast ? ValueRange(op.getResults()) : ValueRange(op.getRegionIterArgs());
    pass(yield, yield->getOperands(), target, facts, facts);
  }
}

/// A loop without state: nothing is known of its numbers. Every round may carry an origin one value further, so as
/// many rounds as carried values carry it as far as it goes.
void StateTrace::visitPlainLoop(LoopLikeOpInterface loop, Facts &facts) {
  auto carry = [&](ValueRange from, ValueRange to) {
    bool isNew = false;
    for (auto [source, target] : llvm::zip(from, to)) {
      Origin origin = facts.lookup(target).origin, before = origin;
      origin |= facts.lookup(source).origin;
      isNew |= origin != before;
      facts[target] = Fact{Fact::nothing, {}, {}, 0, -1, origin};
    }
    return isNew;
  };
  ValueRange arguments = loop.getRegionIterArgs();
  carry(loop.getInits(), arguments);
  Block &body = loop.getLoopRegions().front()->front();
  do
    visitBlock(body, facts);
  while (carry(body.getTerminator()->getOperands(), arguments));
  carry(arguments, *loop.getLoopResults());
}

SmallVector<Fact> StateTrace::visitBranch(Region &region, unsigned numResults, Facts &facts) {
  SmallVector<Fact> results(numResults);
  if (region.empty())
    return results;
  Block &block = region.front();
  visitBlock(block, facts);
  Operation *yield = block.getTerminator();
  for (auto [value, fact] : llvm::zip(yield->getOperands(), results))
    fact = consume(yield, value, facts);
  return results;
}

void StateTrace::visitIf(scf::IfOp op, Facts &facts) {
  SmallVector<Fact> results;
  if (std::optional<int64_t> condition = constantOf(op.getCondition(), facts))
    results = visitBranch(*condition ? op.getThenRegion() : op.getElseRegion(), op.getNumResults(), facts);
  else
    visitUndecided(op, results, facts);
  for (auto [value, fact] : llvm::zip(op.getResults(), results))
    facts[value] = fact;
}

/// Runs both branches on the same state; they must do the same to it.
void StateTrace::visitUndecided(scf::IfOp op, SmallVector<Fact> &results, Facts &facts) {
  Slots before = slots;
  size_t attendsBefore = numAttends;
  results = visitBranch(op.getThenRegion(), op.getNumResults(), facts);
  Slots then = std::move(slots);
  size_t attendsThen = std::exchange(numAttends, attendsBefore);
  slots = std::move(before);
  SmallVector<Fact> others = visitBranch(op.getElseRegion(), op.getNumResults(), facts);
  Slots otherwise = std::move(slots);
  join(op, std::move(then), std::move(otherwise));
  if (numAttends != attendsThen && !served.empty())
    report(op, Rule::attendApart, {},
           {std::to_string(attendsThen - attendsBefore), std::to_string(numAttends - attendsBefore)});
  numAttends = std::max(numAttends, attendsThen);
  for (auto [fact, other] : llvm::zip(results, others)) {
    fact.origin |= other.origin;
    if (fact.constant != other.constant)
      fact.constant = {};
    if (fact.kind == Fact::slot)
      fact.version = slots[fact.symbol].version;
    if (fact.kind == Fact::view && (fact.layer != other.layer || fact.version != other.version))
      report(op, Rule::lentApart, fact.symbol);
  }
}

void StateTrace::visitCall(func::CallOp op, Facts &facts) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, op.getCalleeAttr());
  bool isRecursive = llvm::is_contained(callers, op.getOperation());
  bool isOutside = !callee || callee.isExternal();
  if (isOutside || isRecursive || !callee.getBody().hasOneBlock()) {
    if (touchesState(op) && (isOutside || isRecursive))
      report(op, isRecursive ? Rule::recursion : Rule::outside, {}, {op.getCallee().str()});
    return visitArithmetic(op, facts, isOutside || isRecursive ? nullptr : callee.getOperation());
  }
  Facts inner;
  pass(op, op.getOperands(), callee.getArguments(), facts, inner);
  callers.push_back(op);
  Block &block = callee.getBody().front();
  visitBlock(block, inner);
  pass(block.getTerminator(), block.getTerminator()->getOperands(), op.getResults(), inner, facts);
  callers.pop_back();
}
