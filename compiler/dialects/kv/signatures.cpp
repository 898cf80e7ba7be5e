// SPDX-License-Identifier: MIT
// Who may hold state, and how an entry function takes and returns it.
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

/// An op that reaches state by name, not by a slot: lower-slots makes those when the proof is over.
bool actsBehindSlots(Operation *op) {
  return isa_and_nonnull<KvDialect>(op->getDialect()) && !mayCarry(op) && !isa<CacheOp, RegisterOp>(op);
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

/// Refuses `op`, which is not to touch the state that `holder` holds: itself, or an op inside.
void refuse(Operation *op, Operation *holder, Findings &findings) {
  auto function = op->getParentOfType<func::FuncOp>();
  Finding &finding = findings.add(op, "firewall", "", "");
  finding.text = (Twine(function ? "@" + function.getSymName().str() + " lets " : "") + "'" +
                  op->getName().getStringRef() + "' touch " + nameOfState(holder))
                     .str();
  finding.advice = isa<UnrealizedConversionCastOp>(op) ? "a lowering left state half converted"
                                                       : "only kv, func.func/call/return and scf.if/for may";
}

bool holdsSlots(func::FuncOp function) {
  auto isSlot = [](Type type) { return isa<SlotType>(type); };
  return llvm::any_of(function.getArgumentTypes(), isSlot) || llvm::any_of(function.getResultTypes(), isSlot);
}

void refuseEntry(Operation *at, StringRef name, const Twine &text, StringRef advice, Findings &findings) {
  Finding &finding = findings.add(at, "agreement", name, "");
  finding.text = ("@" + name + " " + text).str();
  finding.advice = advice.str();
}

/// What an entry states of its batch decides which rows are right, so it must make sense itself.
void checkFacts(func::FuncOp entry, Findings &findings) {
  for (BlockArgument argument : entry.getArguments()) {
    int64_t least = 1; // a sequence brings at least one token
    for (StringRef fact : {"kv.sequences", "kv.tokens"}) {
      Attribute stated = entry.getArgAttr(argument.getArgNumber(), fact);
      if (!stated)
        continue;
      std::optional<int64_t> known = knownOf(argument, fact);
      if (!isa<BatchType>(argument.getType()) || known.value_or(0) < least) {
        refuseEntry(entry, entry.getSymName(),
                    "says " + fact + " of argument " + Twine(argument.getArgNumber()) +
                        ", which is no batch with at least " + Twine(least),
                    "state integers, of the !kv.batch, with tokens >= sequences", findings);
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
    Finding &finding = findings.add(op, "firewall", "", "");
    finding.text = ("@" + function.getSymName() + " branches between blocks while it holds state").str();
    finding.advice = "use scf.if";
  });
}

SmallVector<func::FuncOp> kvasir::kv::checkEntries(ModuleOp module, SchemaOp schema, Findings &findings) {
  SmallVector<func::FuncOp> entries;
  for (auto name : schema.getEntries().getAsRange<FlatSymbolRefAttr>()) {
    auto entry = module.lookupSymbol<func::FuncOp>(name.getAttr());
    if (!entry)
      refuseEntry(schema, name.getValue(), "is an entry of the schema but is gone", "a pass removed or hid it",
                  findings);
    else if (!entry.isPublic() || entry.isExternal())
      refuseEntry(schema, name.getValue(), "is an entry of the schema but is private or has no body",
                  "a pass removed or hid it", findings);
    else if (llvm::is_contained(entries, entry))
      refuseEntry(schema, name.getValue(), "is an entry of the schema twice",
                  "a pass merged two entries, or the list is wrong", findings);
    else
      entries.push_back(entry);
  }
  if (schema.getEntries().empty())
    refuseEntry(schema, schema.getSymName(), "has no entries", "list the functions that share the state", findings);
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (function.isPublic() && holdsSlots(function) && !llvm::is_contained(entries, function))
      refuseEntry(function, function.getSymName(), "is public and takes slots, but is no entry of the schema",
                  "list it, or make it private", findings);
  return entries;
}

bool kvasir::kv::checkSignature(func::FuncOp entry, SchemaOp schema, Findings &findings) {
  SmallVector<StringRef> declared;
  for (Operation &op : schema.getBody().front())
    declared.push_back(SymbolTable::getSymbolName(&op));
  auto disagree = [&](StringRef what, ArrayRef<StringRef> names) {
    Finding &finding = findings.add(entry, "agreement", what, entry.getSymName());
    finding.text = ("@" + entry.getSymName() + " " + what + " slots (" + llvm::join(names, ", ") + "), schema @" +
                    schema.getSymName() + " declares (" + llvm::join(declared, ", ") + ")")
                       .str();
    finding.advice = "entry functions share every slot, in the schema's order";
    finding.note(schema.getLoc(), "declared here");
  };
  SmallVector<StringRef> taken = slotsOf(entry.getArgumentTypes()), given = slotsOf(entry.getResultTypes());
  if (taken != declared)
    disagree("takes", taken);
  if (given != declared)
    disagree("returns", given);
  int64_t numBatches = llvm::count_if(entry.getArgumentTypes(), [](Type type) { return isa<BatchType>(type); });
  if (numBatches != 1)
    refuseEntry(entry, entry.getSymName(), "takes " + Twine(numBatches) + " batches", "one !kv.batch describes a call",
                findings);
  checkFacts(entry, findings);
  return taken == declared && given == declared && numBatches == 1;
}
