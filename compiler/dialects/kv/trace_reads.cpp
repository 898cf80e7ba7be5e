// SPDX-License-Identifier: MIT
// The ops that read state, as verify-state meets them.
#include "compiler/dialects/kv/state_trace.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace kvasir::kv;
using Bounds = ValueBoundsConstraintSet;

/// kv.read, kv.get, kv.borrow. A read that may reach into this call's rows must come after their write.
void StateTrace::visitRead(Operation *op, Value from, Value layerValue, Facts &facts) {
  StringAttr symbol = facts.lookup(from).symbol;
  bool isLive = live(op, from, facts);
  std::optional<int64_t> layer = symbol ? layerOf(op, layerValue, symbol, facts) : std::nullopt;
  if (!layer)
    return;
  record(op, symbol, *layer);
  LayerTrace &trace = slots[symbol].layers[*layer];
  if (isa<BorrowOp>(op)) {
    facts[op->getResult(0)] = Fact{Fact::view, {}, symbol, trace.numWrites, *layer, {}};
    return;
  }
  trace.reader = op;
  if (!isLive)
    return;
  if (isa<GetOp>(op) && trace.numWrites)
    report(op, Rule::getAfterSet, symbol, {}, *layer).note(trace.writer->getLoc(), "set here");
  if (auto read = dyn_cast<ReadOp>(op))
    checkRead(read, symbol, *layer);
}

namespace {
/// Whether `value` is provably the start, or the length, of the function's batch.
template <typename FieldOp> bool isExactly(Value value, Operation *op) {
  for (Value argument : op->getParentOfType<func::FuncOp>().getArguments())
    for (Operation *user : argument.getUsers())
      if (isa<FieldOp>(user) && isa<BatchType>(argument.getType()) &&
          Bounds::compare(value, Bounds::EQ, user->getResult(0)))
        return true;
  return false;
}
} // namespace

/// An imported read sees either the rows of earlier calls, or all rows after this call's were written.
void StateTrace::checkRead(ReadOp op, StringAttr symbol, int64_t layer) {
  SlotTrace &slot = slots[symbol];
  LayerTrace &trace = slot.layers[layer];
  bool isOld = isExactly<StartOp>(op.getEnd(), op);
  if (!isOld && !isExactly<LengthOp>(op.getEnd(), op))
    report(op, Rule::readEnd, symbol, {}, layer);
  if (!slot.declaration.cache.windowOf(layer) && !matchPattern(op.getBegin(), m_Zero()))
    report(op, Rule::readBegin, symbol, {}, layer);
  if (!isOld && !trace.isSettled())
    early.emplace_back(op, symbol, layer);
  Operation *&first = trace.reads[!isOld];
  if (first)
    report(op, Rule::readTwice, symbol, {}, layer).note(first->getLoc(), "first read here");
  first = op;
}

void StateTrace::visitAttend(AttendOp op, Facts &facts) {
  std::optional<int64_t> keyLayer = attendSide(op, /*isValues=*/false, facts);
  std::optional<int64_t> valueLayer = attendSide(op, /*isValues=*/true, facts);
  const Fact keys = facts.lookup(op.getKeys());
  if (keyLayer && valueLayer && *keyLayer != *valueLayer)
    report(op, Rule::crossed, keys.symbol, {std::to_string(*keyLayer), std::to_string(*valueLayer)}, keyLayer);
  if (facts.lookup(op.getQuery()).origin.wanted)
    report(op, Rule::wantedQueries, keys.symbol, {}, keyLayer);
  if (keyLayer) {
    checkServed(op, keys.symbol, *keyLayer, /*isBorrowed=*/keys.kind == Fact::view);
    slots[keys.symbol].layers[*keyLayer].attends.push_back(op);
  }
  ++numAttends;
  facts[op.getResult()] = Fact();
}

/// Checks the keys or the values of an attend; their layer when it is known.
std::optional<int64_t> StateTrace::attendSide(AttendOp op, bool isValues, Facts &facts) {
  Value source = isValues ? op.getValues() : op.getKeys();
  const Fact fact = facts.lookup(source);
  std::optional<int64_t> layer;
  if (fact.kind == Fact::view) {
    attendView(op, fact);
    layer = fact.layer;
  } else {
    bool isLive = live(op, source, facts);
    layer =
        fact.symbol ? layerOf(op, isValues ? op.getValueLayer() : op.getKeyLayer(), fact.symbol, facts) : std::nullopt;
    if (!layer)
      return std::nullopt;
    LayerTrace &trace = slots[fact.symbol].layers[*layer];
    trace.reader = op;
    if (!isLive)
      return layer;
    if (!trace.isSettled())
      early.emplace_back(op, fact.symbol, *layer);
    else if (trace.attended && !(isValues && symbolOf(op.getKeys().getType()) == symbolOf(source.getType())))
      report(op, Rule::attendedTwice, fact.symbol, {}, layer).note(trace.attended->getLoc(), "first attended here");
    trace.attended = op;
  }
  record(op, fact.symbol, *layer);
  slots[fact.symbol].layers[*layer].reader = op;
  checkWindow(op, fact.symbol, *layer);
  return layer;
}

void StateTrace::attendView(AttendOp op, const Fact &view) {
  LayerTrace &lent = slots[view.symbol].layers[view.layer];
  if (lent.numWrites != view.version)
    report(op, Rule::view, view.symbol, {}, view.layer).note(lent.writer->getLoc(), "the rows changed here");
  else if (!lent.isSettled())
    early.emplace_back(op, view.symbol, view.layer);
}

/// Where the schema says how each layer is attended, and not only how many rows are kept at most (kv.attend C2).
void StateTrace::checkWindow(AttendOp op, StringAttr symbol, int64_t layer) {
  CacheOp cache = slots[symbol].declaration.cache;
  if (!cache.getSlides() && !cache.getServes())
    return;
  std::optional<int64_t> kept = cache.windowOf(layer), asked = op.getWindow();
  if (kept == asked || (kept && asked && !cache.getServes()))
    return;
  std::string keptText = std::to_string(kept.value_or(0)), askedText = std::to_string(asked.value_or(0));
  Finding &finding = !asked ? report(op, Rule::sliding, symbol, {keptText}, layer)
                     : kept ? report(op, Rule::narrow, symbol, {askedText, keptText}, layer)
                            : report(op, Rule::full, symbol, {askedText}, layer);
  finding.note(cache.getLoc(), "the schema says so here");
}

/// The attentions of a call are those of the model's layers, in order.
void StateTrace::checkServed(AttendOp op, StringAttr symbol, int64_t layer, bool isBorrowed) {
  if (isServedWrong || numAttends >= served.size())
    return;
  const ServedLayer &expected = served[numAttends];
  Location declared = slots[expected.symbol].declaration.op()->getLoc();
  std::string here = std::to_string(layer), number = std::to_string(expected.number);
  isServedWrong = true;
  if (expected.symbol != symbol || expected.layer != layer)
    report(op, Rule::served, symbol, {here, number, std::to_string(expected.layer), expected.symbol.str()})
        .note(declared, "the schema says so here");
  else if (expected.isOwner == isBorrowed)
    report(op, Rule::borrowed, symbol,
           {here, number, isBorrowed ? "through a view, and owns it" : "through the slot, and borrows it"})
        .note(declared, "the schema says so here");
  else
    isServedWrong = false;
}
