// SPDX-License-Identifier: MIT
// What a value is while a call is followed, and who may still use it.
#include "compiler/dialects/kv/state_trace.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace kvasir::kv;

StateTrace::StateTrace(func::FuncOp entry, SchemaOp schema, Findings &findings) : entry(entry), findings(findings) {
  for (Operation &op : schema.getBody().front()) {
    SlotTrace slot{{dyn_cast<CacheOp>(op), dyn_cast<RegisterOp>(op)}, 0, {}, {}};
    slot.layers.resize(slot.declaration.numLayers());
    slots[SymbolTable::getSymbolName(&op)] = slot;
  }
}

Finding &StateTrace::report(Operation *at, StringRef rule, StringAttr symbol, const Twine &text, const Twine &advice,
                            std::optional<int64_t> layer) {
  StringRef subject = symbol ? symbol.getValue() : StringRef();
  Finding &finding = findings.add(at, rule, subject, entry.getSymName());
  if (finding.text.empty()) {
    finding.text = ("@" + entry.getSymName() + " " + text).str();
    finding.advice = advice.str();
  }
  if (layer)
    finding.layers.insert(*layer);
  for (Operation *caller : callers)
    finding.note(caller->getLoc(), "called from here");
  return finding;
}

std::string StateTrace::rowsOf(StringAttr symbol) {
  return ((slots[symbol].declaration.cache ? "rows [start, start + count) of slot @" : "register @") +
          symbol.getValue())
      .str();
}

void StateTrace::run() {
  Facts facts;
  for (BlockArgument argument : entry.getArguments()) {
    if (auto type = dyn_cast<SlotType>(argument.getType()))
      facts[argument] = Fact{Fact::slot, {}, type.getSymbol().getLeafReference(), 0, -1, {}};
    if (isa<BatchType>(argument.getType()))
      knownTokens = knownOf(argument, "kv.tokens"), knownSequences = knownOf(argument, "kv.sequences");
  }
  Block &block = entry.getBody().front();
  visitBlock(block, facts);
  exit = block.getTerminator();
  for (Value operand : exit->getOperands())
    consume(exit, operand, facts);
  checkEnd();
}

void StateTrace::visit(Operation *op, Facts &facts) {
  ++numSteps;
  if (isExhausted()) {
    report(entry, "bounds", {}, "executes more than " + Twine(kMostSteps) + " ops in one call",
           "give state loops over layers only");
    return;
  }
  llvm::TypeSwitch<Operation *>(op)
      .Case<AppendOp, WriteOp, SetOp>([&](auto write) { visitWrite(write, write.getSlot(), write.getLayer(), facts); })
      .Case<ReadOp, GetOp, BorrowOp>([&](auto read) { visitRead(read, read.getSlot(), read.getLayer(), facts); })
      .Case([&](AttendOp attend) { visitAttend(attend, facts); })
      .Case([&](WaiveOp waive) { visitWaive(waive, facts); })
      .Case([&](LoopOp loop) { visitLayers(loop, facts); })
      .Case([&](GroupOp group) { visitGroup(group, facts); })
      .Case([&](scf::ForOp loop) { visitFor(loop, facts); })
      .Case([&](scf::IfOp branch) { visitIf(branch, facts); })
      .Case([&](func::CallOp call) { visitCall(call, facts); })
      .Default([&](Operation *other) { visitArithmetic(other, facts); });
}

/// The slot behind `value`, or null after a complaint that the value is stale.
SlotTrace *StateTrace::live(Operation *op, Value value, Facts &facts) {
  Fact fact = facts.lookup(value);
  if (fact.kind != Fact::slot) {
    report(op, "linear", {}, "uses a slot that comes from nowhere the verifier has been",
           "this is a bug in the verifier");
    return nullptr;
  }
  SlotTrace &slot = slots[fact.symbol];
  if (fact.version == slot.version)
    return &slot;
  reportStale(op, fact);
  return nullptr;
}

/// Says what the old version lacks: the layers that were written since.
void StateTrace::reportStale(Operation *op, const Fact &fact) {
  SlotTrace &slot = slots[fact.symbol];
  std::set<int64_t> lacking;
  for (auto [index, layer] : llvm::enumerate(slot.layers))
    if (layer.writtenAt > fact.version)
      lacking.insert(index);
  const char *since = lacking.empty()          ? "it was handed on"
                      : slot.declaration.cache ? "rows [start, start + count) of {layers} were written"
                                               : "{layers} were set";
  Finding &finding = report(op, "linear", fact.symbol,
                            (isa<func::ReturnOp>(op) ? "returns slot @" : "uses slot @") + fact.symbol.getValue() +
                                " as it was before " + since,
                            "use the newest value of the slot");
  finding.layers.insert(lacking.begin(), lacking.end());
  if (Operation *consumer = slot.consumers[fact.version])
    finding.note(consumer->getLoc(), "the value was consumed here");
}

Fact StateTrace::consume(Operation *op, Value value, Facts &facts) {
  Fact fact = facts.lookup(value);
  if (fact.kind != Fact::slot)
    return fact;
  SlotTrace *slot = live(op, value, facts);
  if (!slot)
    slot = &slots[fact.symbol]; // already reported; go on with the newest version
  slot->consumers.push_back(op);
  fact.version = ++slot->version;
  return fact;
}

std::optional<int64_t> StateTrace::constantOf(Value value, Facts &facts) {
  auto number = dyn_cast_or_null<IntegerAttr>(facts.lookup(value).constant);
  return number ? std::optional<int64_t>(number.getInt()) : std::nullopt;
}

std::optional<int64_t> StateTrace::layerOf(Operation *op, Value layer, StringAttr symbol, Facts &facts) {
  SlotTrace &slot = slots[symbol];
  std::optional<int64_t> index = constantOf(layer, facts);
  if (!index) {
    report(op, "bounds", symbol, "uses a layer of slot @" + symbol.getValue() + " that is not known at compile time",
           "derive it from constants and loop indices");
    return std::nullopt;
  }
  if (*index >= 0 && *index < int64_t(slot.layers.size()))
    return index;
  report(op, "bounds", symbol,
         "uses {layers} of slot @" + symbol.getValue() + ", which has " + Twine(slot.layers.size()),
         "use a layer that the schema declares", index)
      .note(slot.declaration.op()->getLoc(), "declared here");
  return std::nullopt;
}

/// Any other op: fold it when its operands are constants, and carry on what its rows are made from.
void StateTrace::visitArithmetic(Operation *op, Facts &facts) {
  Origin origin;
  op->walk([&](Operation *inner) { // what a region captures counts too
    origin.positions |= isa<PositionsOp>(inner);
    origin.wanted |= isa<WantedOp>(inner);
    for (Value operand : inner->getOperands()) {
      origin |= facts.lookup(operand).origin;
      // Another dialect's op that takes the batch itself may turn rows by their positions.
      origin.positions |= isa<BatchType>(operand.getType()) && !isa_and_nonnull<KvDialect>(inner->getDialect());
    }
  });
  SmallVector<Attribute> constants;
  for (Value operand : op->getOperands())
    if (Attribute constant = facts.lookup(operand).constant)
      constants.push_back(constant);
  for (Value value : op->getResults())
    facts[value] = Fact{Fact::nothing, {}, {}, 0, -1, origin};
  Attribute constant;
  if (matchPattern(op, m_Constant(&constant))) {
    facts[op->getResult(0)] = Fact::ofNumber(constant);
    return;
  }
  if (op->getNumRegions() || op->getNumOperands() == 0 || constants.size() != op->getNumOperands())
    return;
  Operation *copy = op->clone(); // fold may rewrite in place, the verifier changes nothing
  SmallVector<OpFoldResult> folded;
  if (succeeded(copy->fold(constants, folded)) && folded.size() == op->getNumResults())
    for (auto [value, fold] : llvm::zip(op->getResults(), folded))
      if (auto attribute = dyn_cast<Attribute>(fold))
        facts[value] = Fact::ofNumber(attribute, origin);
  copy->erase();
}
