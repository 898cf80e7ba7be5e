// SPDX-License-Identifier: MIT
// The ops that write state, as verify-state meets them.
#include "compiler/dialects/kv/state_trace.h"

using namespace mlir;
using namespace kvasir::kv;
using Bounds = ValueBoundsConstraintSet;

/// kv.append, kv.set, kv.write: consume the slot and count a write to one layer.
void StateTrace::visitWrite(Operation *op, Value slotValue, Value layerValue, Facts &facts) {
  Fact fact = consume(op, slotValue, facts);
  if (fact.kind != Fact::slot)
    return;
  facts[op->getResult(0)] = fact;
  std::optional<int64_t> layer = layerOf(op, layerValue, fact.symbol, facts);
  if (!layer)
    return;
  const Origin origin = facts.lookup(op->getOperand(2)).origin;
  record(op, fact.symbol, *layer, origin);
  if (auto append = dyn_cast<AppendOp>(op)) {
    checkRows(append, fact.symbol, *layer, origin);
    checkPhase(append, fact.symbol, *layer, origin);
    checkMaker(append, fact.symbol, *layer, origin);
    checkTwins(append, fact.symbol, *layer);
  }
  if (auto set = dyn_cast<SetOp>(op))
    checkSequences(set, fact.symbol, *layer);
  LayerTrace &trace = slots[fact.symbol].layers[*layer];
  if (trace.numWrites++)
    report(op, Rule::twice, fact.symbol, {}, layer).note(trace.writer->getLoc(), "first written here");
  trace.writer = op;
  trace.writtenAt = fact.version;
  trace.unproven = isa<WriteOp>(op) ? op : nullptr;
  trace.rows = op->getOperand(2);
}

void StateTrace::checkSequences(SetOp op, StringAttr symbol, int64_t layer) {
  int64_t held = cast<RankedTensorType>(op.getContent().getType()).getDimSize(0);
  if (ShapedType::isDynamic(held) || held == knownSequences.value_or(-1))
    return;
  std::string brought = knownSequences ? std::to_string(*knownSequences) : "B";
  report(op, Rule::sequences, symbol, {std::to_string(held), brought}, layer);
}

/// One value stored as keys and as values of a layer is a slip of the pen: tied projections share one cache.
void StateTrace::checkTwins(AppendOp op, StringAttr symbol, int64_t layer) {
  CacheOp mine = slots[symbol].declaration.cache;
  for (auto &[other, trace] : slots) {
    CacheOp cache = trace.declaration.cache;
    bool pairs = cache && (cache.getValues() == mine.getSymName() || mine.getValues() == cache.getSymName());
    if (!pairs || trace.layers[layer].rows != op.getRows())
      continue;
    report(op, Rule::twins, symbol, {"slot @" + other.str()}, layer)
        .note(trace.layers[layer].writer->getLoc(), "stored here first");
  }
}

/// How many rows an append provably brings instead of T; empty when nothing speaks against T.
std::string StateTrace::wrongRows(AppendOp op) {
  Value rows = op.getRows();
  auto type = cast<RankedTensorType>(rows.getType());
  if (!type.isDynamicDim(0) && type.getDimSize(0) != knownTokens.value_or(-1))
    return std::to_string(type.getDimSize(0)) + " rows";
  // A dynamic type may hide a number.
  FailureOr<int64_t> number = Bounds::computeConstantBound(presburger::BoundType::EQ, {rows, 0});
  if (succeeded(number) && *number != knownTokens.value_or(-1))
    return std::to_string(*number) + " rows";
  bool isOne = knownSequences == 1;
  for (Operation *user : op.getBatch().getUsers()) {
    if (isa<TokensOp>(user) || (isa<CountOp>(user) && isOne)) {
      FailureOr<int64_t> missing = Bounds::computeConstantDelta(user->getResult(0), rows, std::nullopt, 0);
      if (succeeded(missing) && *missing != 0)
        return "T " + std::string(*missing > 0 ? "- " : "+ ") + std::to_string(std::abs(*missing)) + " rows";
    }
    Value count = isa<CountOp>(user)      ? user->getResult(0)
                  : isa<SequenceOp>(user) ? Value(cast<SequenceOp>(user).getCount())
                                          : Value();
    if (!count || isOne)
      continue;
    FailureOr<bool> isCount = Bounds::areEqual({rows, 0}, {count});
    if (succeeded(isCount) && *isCount)
      return "the rows of one sequence";
  }
  return "";
}

void StateTrace::checkRows(AppendOp op, StringAttr symbol, int64_t layer, const Origin &origin) {
  auto [it, isNew] = rowVerdicts.try_emplace(op, "");
  if (isNew)
    it->second = wrongRows(op);
  std::string brought = knownTokens ? std::to_string(*knownTokens) : "T = sum of count";
  if (origin.wanted)
    report(op, Rule::wantedRows, symbol, {brought}, layer);
  else if (!it->second.empty())
    report(op, Rule::count, symbol, {it->second, brought}, layer);
}

void StateTrace::visitWaive(WaiveOp op, Facts &facts) {
  Fact fact = consume(op, op.getSlot(), facts);
  if (fact.kind != Fact::slot)
    return;
  facts[op.getResult()] = fact;
  SlotTrace &slot = slots[fact.symbol];
  if (!op.getLayer()) { // those that have a reason of their own keep it
    record(op, fact.symbol, /*layer=*/-1);
    for (LayerTrace &layer : slot.layers)
      layer.waiver = layer.waiver ? layer.waiver : op;
    return;
  }
  std::optional<int64_t> layer = layerOf(op, op.getLayer(), fact.symbol, facts);
  if (!layer)
    return;
  record(op, fact.symbol, *layer);
  if (Operation *first = slot.layers[*layer].waiver)
    report(op, Rule::waivedTwice, fact.symbol, {}, layer).note(first->getLoc(), "first waived here");
  slot.layers[*layer].waiver = op;
}
