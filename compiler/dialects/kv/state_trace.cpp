// SPDX-License-Identifier: MIT
// What a value is while a call is followed, and who may still use it.
#include "compiler/dialects/kv/state_trace.h"

#include "compiler/dialects/kv/forms.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
void sortOnce(Weights &weights) {
  llvm::sort(weights, [](StringAttr a, StringAttr b) { return a.getValue() < b.getValue(); });
  weights.erase(std::unique(weights.begin(), weights.end()), weights.end());
}
} // namespace

Origin &Origin::operator|=(const Origin &other) {
  isPosition &= other.isPosition && positions == other.positions;
  positions |= other.positions;
  wanted |= other.wanted;
  for (auto [mine, others] : {std::pair(&made, &other.made), std::pair(&named, &other.named)})
    if (*mine != *others && !others->empty()) {
      llvm::append_range(*mine, *others);
      sortOnce(*mine);
    }
  return *this;
}

StateTrace::StateTrace(func::FuncOp entry, SchemaOp schema, Findings &findings) : entry(entry), findings(findings) {
  for (Operation *op : slotsFor(entry, schema)) {
    SlotTrace slot{{dyn_cast<CacheOp>(op), dyn_cast<RegisterOp>(op)}, 0, {}, {}};
    slot.layers.resize(slot.declaration.numLayers());
    StringAttr symbol = SymbolTable::getSymbolName(op);
    slots[symbol] = slot;
    CacheOp cache = slot.declaration.cache;
    if (cache && cache.getBy())
      for (auto weight : cache.getBy()->getAsRange<FlatSymbolRefAttr>())
        weights.push_back(weight.getAttr());
    if (cache && cache.getServes())
      for (auto [layer, list] : llvm::enumerate(cache.getServes()->getAsRange<DenseI64ArrayAttr>()))
        for (int64_t number : list.asArrayRef())
          served.push_back({number, symbol, int64_t(layer), number == list[0]});
  }
  sortOnce(weights);
  llvm::sort(served, [](const ServedLayer &a, const ServedLayer &b) { return a.number < b.number; });
}

Finding &StateTrace::report(Operation *at, Rule rule, StringAttr symbol, ArrayRef<std::string> values,
                            std::optional<int64_t> layer) {
  Subject subject{"@" + entry.getSymName().str(), "", ""};
  if (symbol) {
    subject.slot = "slot @" + symbol.str();
    subject.rows = slots[symbol].declaration.cache ? "rows [start, start + count) of " + subject.slot
                                                   : "register @" + symbol.str();
  }
  Finding &finding = findings.add(at, rule, subject, values);
  if (layer)
    finding.layers.insert(*layer);
  for (Operation *caller : callers)
    finding.note(caller->getLoc(), "called from here");
  return finding;
}

void StateTrace::record(Operation *op, StringAttr symbol, int64_t layer, const Origin &origin) {
  std::string event = (op->getName().stripDialect() + " @" + symbol.getValue()).str();
  if (layer >= 0)
    event += "[" + std::to_string(layer) + "]";
  if (origin.positions)
    event += " rotated";
  if (origin.wanted)
    event += " wanted";
  for (StringAttr weight : origin.made)
    event += (" by @" + weight.getValue()).str();
  executed.push_back(std::move(event));
}

void StateTrace::print(raw_ostream &stream) {
  stream << "@" << entry.getSymName() << "\n";
  for (const std::string &event : executed)
    stream << "  " << event << "\n";
}

void StateTrace::run() {
  Facts facts;
  for (BlockArgument argument : entry.getArguments())
    if (auto type = dyn_cast<SlotType>(argument.getType()))
      facts[argument] = Fact{Fact::slot, {}, type.getSymbol().getLeafReference(), 0, -1, {}};
  Value batch = batchOf(entry.getArguments()); // checkSignature: it has one
  knownTokens = knownOf(batch, "kv.tokens");
  knownSequences = knownOf(batch, "kv.sequences");
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
    report(entry, Rule::steps, {}, {std::to_string(kMostSteps)});
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
    findings.addInternal(op, "a slot comes from where it has not been");
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
  Finding &finding = report(op, Rule::stale, fact.symbol, {isa<func::ReturnOp>(op) ? "returns" : "uses", since});
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
    report(op, Rule::unknownLayer, symbol);
    return std::nullopt;
  }
  if (*index >= 0 && *index < int64_t(slot.layers.size()))
    return index;
  report(op, Rule::outsideLayer, symbol, {std::to_string(slot.layers.size())}, index)
      .note(slot.declaration.op()->getLoc(), "declared here");
  return std::nullopt;
}
