// SPDX-License-Identifier: MIT
// The ops that touch state, as verify-state meets them.
#include "compiler/dialects/kv/state_trace.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace kvasir::kv;
using Bounds = ValueBoundsConstraintSet;

/// kv.read, kv.get, kv.borrow. A read that may reach into this call's rows must come after their write.
void StateTrace::visitRead(Operation *op, Value from, Value layerValue, Facts &facts) {
  StringAttr symbol = facts.lookup(from).symbol;
  SlotTrace *slot = live(op, from, facts);
  if (!slot)
    return;
  std::optional<int64_t> layer = layerOf(op, layerValue, symbol, facts);
  if (!layer)
    return;
  LayerTrace &trace = slot->layers[*layer];
  if (isa<BorrowOp>(op))
    facts[op->getResult(0)] = Fact{Fact::view, {}, symbol, trace.numWrites, *layer, {}};
  if (isa<GetOp>(op) && trace.numWrites)
    report(op, "order", symbol, "gets register @" + symbol.getValue() + ", {layers}, after setting it",
           "use the value that was set", *layer)
        .note(trace.writer->getLoc(), "set here");
  if (auto read = dyn_cast<ReadOp>(op))
    checkRead(read, symbol, *layer);
}

namespace {
/// Whether `value` is provably at most the start, or the length, of the function's batch.
template <typename FieldOp> bool isAtMost(Value value, Operation *op) {
  for (Value argument : op->getParentOfType<func::FuncOp>().getArguments())
    for (Operation *user : argument.getUsers())
      if (isa<FieldOp>(user) && isa<BatchType>(argument.getType()) &&
          Bounds::compare(value, Bounds::LE, user->getResult(0)))
        return true;
  return false;
}
} // namespace

/// An imported read sees either the rows of earlier calls, or all rows after this call's were written.
void StateTrace::checkRead(ReadOp op, StringAttr symbol, int64_t layer) {
  SlotTrace &slot = slots[symbol];
  LayerTrace &trace = slot.layers[layer];
  bool isOld = isAtMost<StartOp>(op.getEnd(), op);
  if (!isOld && !isAtMost<LengthOp>(op.getEnd(), op))
    report(op, "rows", symbol,
           "reads rows of slot @" + symbol.getValue() + ", {layers}, that are not proven to be written",
           "end at start, or at length after the append", layer);
  if (!slot.declaration.cache.getWindow() && !matchPattern(op.getBegin(), m_Zero()))
    report(op, "rows", symbol, "reads slot @" + symbol.getValue() + ", {layers}, from a row that is not 0",
           "read every row; masks are attention's", layer);
  if (!isOld && !trace.isSettled())
    early.emplace_back(op, symbol, layer);
  Operation *&first = trace.reads[!isOld];
  if (first)
    report(op, "order", symbol, "reads slot @" + symbol.getValue() + ", {layers}, a second time in one call",
           "use the rows read first", layer)
        .note(first->getLoc(), "first read here");
  first = op;
}

void StateTrace::visitAttend(AttendOp op, Facts &facts) {
  std::optional<int64_t> keyLayer = attendSide(op, /*isValues=*/false, facts);
  std::optional<int64_t> valueLayer = attendSide(op, /*isValues=*/true, facts);
  StringAttr keys = facts.lookup(op.getKeys()).symbol;
  if (keyLayer && valueLayer && *keyLayer != *valueLayer)
    report(op, "order", keys,
           "attends keys of layer " + Twine(*keyLayer) + " of slot @" + keys.getValue() + " with values of layer " +
               Twine(*valueLayer),
           "use one layer for both", keyLayer);
  if (facts.lookup(op.getQuery()).origin.wanted)
    report(op, "rows", keys,
           "attends slot @" + keys.getValue() + ", {layers}, with queries chosen by kv.wanted, not one a token",
           "choose the wanted tokens after the last attention", keyLayer);
  facts[op.getResult()] = Fact();
}

/// Checks the keys or the values of an attend; their layer when it is known.
std::optional<int64_t> StateTrace::attendSide(AttendOp op, bool isValues, Facts &facts) {
  Value source = isValues ? op.getValues() : op.getKeys();
  Fact fact = facts.lookup(source);
  if (fact.kind == Fact::view) {
    LayerTrace &lent = slots[fact.symbol].layers[fact.layer];
    if (lent.numWrites != fact.version)
      report(op, "linear", fact.symbol,
             "attends a view of slot @" + fact.symbol.getValue() + ", {layers}, lent before its rows changed",
             "borrow after the append", fact.layer)
          .note(lent.writer->getLoc(), "the rows changed here");
    else if (!lent.isSettled())
      early.emplace_back(op, fact.symbol, fact.layer);
    return fact.layer;
  }
  SlotTrace *slot = live(op, source, facts);
  if (!slot)
    return std::nullopt;
  std::optional<int64_t> layer = layerOf(op, isValues ? op.getValueLayer() : op.getKeyLayer(), fact.symbol, facts);
  if (!layer)
    return std::nullopt;
  LayerTrace &trace = slot->layers[*layer];
  if (!trace.isSettled())
    early.emplace_back(op, fact.symbol, *layer);
  else if (trace.attended && !(isValues && symbolOf(op.getKeys().getType()) == symbolOf(source.getType())))
    report(op, "order", fact.symbol,
           "attends slot @" + fact.symbol.getValue() + ", {layers}, a second time in one call",
           "a layer that reads another's rows takes them from kv.borrow", layer)
        .note(trace.attended->getLoc(), "first attended here");
  trace.attended = op;
  return layer;
}

/// kv.append, kv.set, kv.write: consume the slot and count a write to one layer.
void StateTrace::visitWrite(Operation *op, Value slotValue, Value layerValue, Facts &facts) {
  Fact fact = consume(op, slotValue, facts);
  if (fact.kind != Fact::slot)
    return;
  facts[op->getResult(0)] = fact;
  std::optional<int64_t> layer = layerOf(op, layerValue, fact.symbol, facts);
  if (!layer)
    return;
  if (auto append = dyn_cast<AppendOp>(op)) {
    const Origin origin = facts.lookup(append.getRows()).origin;
    checkRows(append, fact.symbol, *layer, origin);
    checkPhase(append, fact.symbol, *layer, origin);
    checkTwins(append, fact.symbol, *layer);
  }
  if (auto set = dyn_cast<SetOp>(op))
    checkSequences(set, fact.symbol, *layer);
  LayerTrace &trace = slots[fact.symbol].layers[*layer];
  if (trace.numWrites++)
    report(op, "coverage", fact.symbol, "writes " + Twine(rowsOf(fact.symbol)) + ", {layers}, a second time",
           "write each layer once a call", layer)
        .note(trace.writer->getLoc(), "first written here");
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
  report(op, "rows", symbol,
         "sets register @" + symbol.getValue() + ", {layers}, for " + Twine(held) + " sequences, the call brings " +
             brought,
         "set it for every sequence", layer);
}

/// One value stored as keys and as values of a layer is a slip of the pen: tied projections share one cache.
void StateTrace::checkTwins(AppendOp op, StringAttr symbol, int64_t layer) {
  CacheOp mine = slots[symbol].declaration.cache;
  for (auto &[other, trace] : slots) {
    CacheOp cache = trace.declaration.cache;
    bool pairs = cache && (cache.getValues() == mine.getSymName() || mine.getValues() == cache.getSymName());
    if (!pairs || trace.layers[layer].rows != op.getRows())
      continue;
    report(op, "rows", symbol,
           "stores rows [start, start + count) of slot @" + other.getValue() + ", {layers}, in slot @" +
               symbol.getValue() + " too",
           "keys and values differ, or share one cache", layer)
        .note(trace.layers[layer].writer->getLoc(), "stored here first");
  }
}

/// How many rows an append provably brings instead of T; empty when nothing speaks against T.
std::string StateTrace::wrongRows(AppendOp op) {
  Value rows = op.getRows();
  auto type = cast<RankedTensorType>(rows.getType());
  if (!type.isDynamicDim(0) && type.getDimSize(0) != knownTokens.value_or(-1))
    return std::to_string(type.getDimSize(0)) + " rows";
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
  std::string wrong = origin.wanted ? "rows chosen by kv.wanted" : it->second;
  if (wrong.empty())
    return;
  std::string brought = knownTokens ? std::to_string(*knownTokens) : "T = sum of count";
  report(op, "rows", symbol,
         "appends " + wrong + " to slot @" + symbol.getValue() + ", {layers}, the call brings " + brought,
         "append the rows of every token", layer);
}

/// Rows of a rotated cache depend on the positions, its values do not.
void StateTrace::checkPhase(AppendOp op, StringAttr symbol, int64_t layer, const Origin &origin) {
  CacheOp cache = slots[symbol].declaration.cache;
  CacheOp keys = cache.getValues() ? lookup(op, cache.getValuesAttr()).cache : cache;
  if (cache.getRotated() && !origin.positions)
    report(op, "phase", symbol,
           "stores rows in slot @" + symbol.getValue() +
               ", {layers}, that do not depend on kv.positions; the schema says rotated",
           "rotate them, or drop `rotated`", layer);
  if (!cache.getRotated() && keys.getRotated() && origin.positions)
    report(op, "phase", symbol,
           "stores rotated rows in slot @" + symbol.getValue() + ", {layers}, whose schema says they are not",
           "are keys and values exchanged?", layer);
}

void StateTrace::visitWaive(WaiveOp op, Facts &facts) {
  Fact fact = consume(op, op.getSlot(), facts);
  if (fact.kind != Fact::slot)
    return;
  facts[op.getResult()] = fact;
  SlotTrace &slot = slots[fact.symbol];
  if (!op.getLayer()) {
    for (LayerTrace &layer : slot.layers)
      layer.waiver = op;
    return;
  }
  if (std::optional<int64_t> layer = layerOf(op, op.getLayer(), fact.symbol, facts))
    slot.layers[*layer].waiver = op;
}
