// SPDX-License-Identifier: MIT
// Who may hold state, and how an entry function takes and returns it.
#include "compiler/dialects/kv/forms.h"
#include "compiler/dialects/kv/state_trace.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
bool isState(Type type) { return isa<SlotType, ViewType, BatchType>(type); }

/// Whether a slot hides inside another type, as in tuple<!kv.slot<@k>>.
bool hidesState(Type type) {
  if (isState(type) || isa<FunctionType>(type))
    return false;
  auto visit = [](Type inner) { return isState(inner) ? WalkResult::interrupt() : WalkResult::advance(); };
  return type.walk(visit).wasInterrupted();
}

/// Whether `op` itself or one of its blocks holds a value whose type satisfies `is`. Anybody may take a batch as an
/// operand: its numbers change nothing.
bool holds(Operation *op, function_ref<bool(Type)> is) {
  auto takes = [&](Type type) { return is(type) && !isa<BatchType>(type); };
  if (llvm::any_of(op->getOperandTypes(), takes) || llvm::any_of(op->getResultTypes(), is))
    return true;
  for (Region &region : op->getRegions())
    for (Block &block : region)
      if (llvm::any_of(block.getArgumentTypes(), is))
        return true;
  return false;
}

/// What the trace understands.
bool mayCarry(Operation *op) {
  return isa<SchemaOp, AppendOp, AttendOp, BorrowOp, ReadOp, WriteOp, WaiveOp, GetOp, SetOp, LoopOp, GroupOp, YieldOp,
             PositionsOp, WantedOp, TokensOp, SequencesOp, SequenceOp, StartOp, CountOp, LengthOp, BindOp>(op) ||
         isa<func::FuncOp, func::ReturnOp, func::CallOp, scf::IfOp, scf::ForOp, scf::YieldOp>(op);
}

/// An op that reaches state by name, not by a slot: lower-slots makes those when the proof is over. What refuses a call
/// touches none.
bool actsBehindSlots(Operation *op) {
  return isa_and_nonnull<KvDialect>(op->getDialect()) && !mayCarry(op) && !isa<CacheOp, RegisterOp, RequireOp>(op);
}

/// The state that an op holds, by name: "slot @k", or "a batch".
std::string nameOfState(Operation *op) {
  std::string name = actsBehindSlots(op) ? "state behind its slots" : "a batch";
  (void)holds(op, [&](Type type) {
    type.walk([&](Type inner) {
      if (SymbolRefAttr symbol = symbolOf(inner))
        name = "slot @" + symbol.getLeafReference().str();
    });
    return false;
  });
  return name;
}

Subject subjectOf(Operation *op) {
  auto function = isa<func::FuncOp>(op) ? cast<func::FuncOp>(op) : op->getParentOfType<func::FuncOp>();
  return {function ? "@" + function.getSymName().str() : "", "", ""};
}

/// Refuses `op`, which is not to touch the state that `holder` holds: itself, or an op inside.
void refuse(Operation *op, Operation *holder, Findings &findings) {
  findings.add(op, isa<UnrealizedConversionCastOp>(op) ? Rule::cast : Rule::touch, subjectOf(op),
               {op->getName().getStringRef().str(), nameOfState(holder)});
}

bool holdsSlots(func::FuncOp function) {
  auto isSlot = [](Type type) { return isa<SlotType>(type); };
  return llvm::any_of(function.getArgumentTypes(), isSlot) || llvm::any_of(function.getResultTypes(), isSlot);
}

void refuseEntry(Operation *at, Rule rule, StringRef name, Findings &findings, ArrayRef<std::string> values = {}) {
  findings.add(at, rule, {"@" + name.str(), "", ""}, values);
}

bool hasCaches(func::FuncOp entry) {
  return llvm::any_of(entry.getArgumentTypes(), [&](Type type) {
    auto slot = dyn_cast<SlotType>(type);
    return slot && lookup(entry, slot.getSymbol()).cache;
  });
}

/// One sequence that brings no tokens: an entry that has registers only may say so.
bool takesNoTokens(BlockArgument batch) {
  return isa<BatchType>(batch.getType()) && knownOf(batch, "kv.sequences") == 1 && knownOf(batch, "kv.tokens") == 0;
}

/// What an entry states of its batch decides which rows are right, so it must make sense itself.
void checkFacts(func::FuncOp entry, Findings &findings) {
  for (BlockArgument argument : entry.getArguments()) {
    if (takesNoTokens(argument) && !hasCaches(entry))
      continue;
    int64_t least = 1; // a sequence brings at least one token
    for (StringRef fact : {"kv.sequences", "kv.tokens"}) {
      Attribute stated = entry.getArgAttr(argument.getArgNumber(), fact);
      if (!stated)
        continue;
      std::optional<int64_t> known = knownOf(argument, fact);
      if (!isa<BatchType>(argument.getType()) || known.value_or(0) < least) {
        refuseEntry(entry, Rule::facts, entry.getSymName(), findings,
                    {fact.str(), std::to_string(argument.getArgNumber()), std::to_string(least)});
        return;
      }
      least = *known;
    }
  }
}

SmallVector<StringRef> slotsOf(TypeRange types) {
  SmallVector<StringRef> names;
  for (Type type : types)
    if (auto slot = dyn_cast<SlotType>(type))
      names.push_back(slot.getSymbol().getLeafReference());
  return names;
}
} // namespace

void kvasir::kv::checkFirewall(ModuleOp module, Findings &findings) {
  module.walk([&](Operation *op) {
    bool isHolder = holds(op, isState);
    // State used below an op that the trace does not enter would go unseen.
    Operation *parent = op->getParentOp();
    bool isUnseen = isHolder && parent && !isa<ModuleOp, SchemaOp>(parent) && !mayCarry(parent);
    if (holds(op, hidesState) || (isHolder && !mayCarry(op)) || actsBehindSlots(op))
      refuse(op, op, findings);
    else if (isUnseen)
      refuse(parent, op, findings);
    auto function = dyn_cast<func::FuncOp>(op);
    if (!function || !isHolder || function.isExternal() || function.getBody().hasOneBlock())
      return;
    findings.add(op, Rule::blocks, subjectOf(op));
  });
}

namespace {
/// The named inputs of an entry, and whether each is bound to be a causal mask.
llvm::MapVector<StringAttr, bool> promisesOf(func::FuncOp entry) {
  llvm::MapVector<StringAttr, bool> promises;
  for (BlockArgument argument : entry.getArguments())
    if (auto name = entry.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "kv.name"))
      promises[name] = false;
  entry.walk([&](BindOp bind) {
    Value source = bind.getSource();
    while (auto earlier = source.getDefiningOp<BindOp>())
      source = earlier.getSource();
    auto argument = dyn_cast<BlockArgument>(source);
    if (bind.getField() == Field::causal && argument && argument.getOwner()->getParentOp() == entry)
      if (auto name = entry.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "kv.name"))
        promises[name] = true;
  });
  return promises;
}

/// A host that keeps a promise in one call keeps it in all. Those of raised forms the runtime keeps.
void checkPromises(ArrayRef<func::FuncOp> entries, Findings &findings) {
  for (func::FuncOp entry : entries)
    for (func::FuncOp other : entries)
      for (auto [name, isKept] : promisesOf(entry))
        if (!isKept && !isRaisedForm(other) && promisesOf(other).lookup(name))
          refuseEntry(entry, Rule::promises, entry.getSymName(), findings,
                      {name.getValue().str(), other.getSymName().str()});
}
} // namespace

SmallVector<func::FuncOp> kvasir::kv::checkEntries(ModuleOp module, SchemaOp schema, Findings &findings) {
  SmallVector<func::FuncOp> entries;
  for (auto name : schema.getEntries().getAsRange<FlatSymbolRefAttr>()) {
    auto entry = module.lookupSymbol<func::FuncOp>(name.getAttr());
    if (!entry)
      refuseEntry(schema, Rule::gone, name.getValue(), findings);
    else if (!entry.isPublic() || entry.isExternal())
      refuseEntry(schema, Rule::hidden, name.getValue(), findings);
    else if (llvm::is_contained(entries, entry))
      refuseEntry(schema, Rule::repeated, name.getValue(), findings);
    else
      entries.push_back(entry);
  }
  if (schema.getEntries().empty())
    refuseEntry(schema, Rule::entries, schema.getSymName(), findings);
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (function.isPublic() && holdsSlots(function) && !llvm::is_contained(entries, function))
      refuseEntry(function, Rule::unlisted, function.getSymName(), findings);
  checkPromises(entries, findings);
  return entries;
}

bool kvasir::kv::checkSignature(func::FuncOp entry, SchemaOp schema, Findings &findings) {
  SmallVector<StringRef> declared;
  for (Operation *op : slotsFor(entry, schema))
    declared.push_back(SymbolTable::getSymbolName(op));
  auto disagree = [&](StringRef what, ArrayRef<StringRef> names) {
    // `what` as the slot keeps the two findings of one function apart
    findings
        .add(entry, Rule::slots, {"@" + entry.getSymName().str(), what.str(), ""},
             {what.str(), llvm::join(names, ", "), schema.getSymName().str(), llvm::join(declared, ", ")})
        .note(schema.getLoc(), "declared here");
  };
  SmallVector<StringRef> taken = slotsOf(entry.getArgumentTypes()), given = slotsOf(entry.getResultTypes());
  if (taken != declared)
    disagree("takes", taken);
  if (given != declared)
    disagree("returns", given);
  int64_t numBatches = llvm::count_if(entry.getArgumentTypes(), [](Type type) { return isa<BatchType>(type); });
  if (numBatches != 1)
    refuseEntry(entry, Rule::batch, entry.getSymName(), findings, {std::to_string(numBatches)});
  checkFacts(entry, findings);
  return taken == declared && given == declared && numBatches == 1;
}
