// SPDX-License-Identifier: MIT
// Slots that are taken in an older version, or in another's place.
#include "compiler/mutate/mutations.h"

using namespace mlir;
using namespace kvasir;

namespace {
StringRef nameOf(Type slot) { return kv::symbolOf(slot).getLeafReference().getValue(); }

bool handsOn(Operation *op) { return isa<func::ReturnOp>(op); }

/// Other caches or registers that may stand where `slot` does: rows and layers are as many.
SmallVector<Type> likes(Operation *op, Type slot) {
  kv::Declaration mine = kv::lookup(op, kv::symbolOf(slot));
  SmallVector<Type> found;
  for (Operation &other : *mine.op()->getBlock()) {
    StringAttr name = SymbolTable::getSymbolName(&other);
    auto type = kv::SlotType::get(op->getContext(), FlatSymbolRefAttr::get(name));
    kv::Declaration theirs = kv::lookup(op, type.getSymbol());
    bool isLike = type != slot && bool(mine.cache) == bool(theirs.cache) &&
                  (mine.cache ? mine.cache.getHeads() == theirs.cache.getHeads() &&
                                    mine.cache.getWidth() == theirs.cache.getWidth()
                              : mine.reg.getContent() == theirs.reg.getContent());
    if (isLike)
      found.push_back(type);
  }
  return found;
}

/// The cache whose rows are the values of `keys`; `keys` itself where there is none.
Type valuesOf(Operation *op, Type keys) {
  kv::CacheOp cache = kv::lookup(op, kv::symbolOf(keys)).cache;
  for (auto other : cache->getBlock()->getOps<kv::CacheOp>())
    if (other.getValues() == cache.getSymName())
      return kv::SlotType::get(op->getContext(), FlatSymbolRefAttr::get(other.getSymNameAttr()));
  return keys;
}

/// A write that goes to another slot: its own is left as it was.
void redirectWrite(Operation *op, Type slot) {
  Value theirs = versionBefore(op, slot);
  Operation *last = op->getBlock()->getTerminator();
  auto isLater = [=](Operation *user) { return !isUpTo(user, op) && isUpTo(user, last); };
  op->getResult(0).replaceAllUsesWith(op->getOperand(0));
  op->setOperand(0, theirs);
  op->getResult(0).setType(slot);
  theirs.replaceUsesWithIf(op->getResult(0), [&](OpOperand &use) { return isLater(use.getOwner()); });
}

void addOtherRead(Operation *op, Type slot, MutantList &mutants) {
  auto attend = dyn_cast<kv::AttendOp>(op);
  if (attend && !(isSlot(attend.getKeys().getType()) && isSlot(attend.getValues().getType())))
    return;
  if (attend && (op->getOperand(1).getType() == slot || !versionBefore(op, valuesOf(op, slot))))
    return;
  mutants.add(op, "slot", "reads slot @" + nameOf(slot) + " instead", [=](ProgramCopy &copy) {
    Operation *mine = copy.of(op);
    if (auto attends = dyn_cast<kv::AttendOp>(mine)) {
      attends.getKeysMutable().assign(versionBefore(mine, slot));
      attends.getValuesMutable().assign(versionBefore(mine, valuesOf(mine, slot)));
      return;
    }
    mine->setOperand(0, versionBefore(mine, slot));
    if (isa<kv::BorrowOp>(mine))
      mine->getResult(0).setType(kv::ViewType::get(mine->getContext(), kv::symbolOf(slot)));
  });
}
} // namespace

void kvasir::addOlderVersions(Operation *op, MutantList &mutants) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isSlot(operand.get().getType()))
      continue;
    unsigned number = operand.getOperandNumber();
    Value before = olderVersion(operand.get()), first = before;
    while (first && olderVersion(first))
      first = olderVersion(first);
    StringRef mutation = handsOn(op) ? "return" : "version";
    auto add = [&](Value version, StringRef which) {
      mutants.add(op, mutation, "takes the " + which + " version of slot @" + nameOf(version.getType()),
                  [=](ProgramCopy &copy) { copy.of(op)->setOperand(number, copy.of(version)); });
    };
    if (before)
      add(before, "last");
    if (first && first != before)
      add(first, "first");
  }
}

void kvasir::addOtherSlots(Operation *op, MutantList &mutants) {
  if (!isWrite(op) && !isRead(op))
    return;
  Type mine = op->getOperand(isa<kv::AttendOp>(op) ? 1 : 0).getType();
  if (!isSlot(mine))
    return;
  for (Type slot : likes(op, mine)) {
    if (!versionBefore(op, slot))
      continue;
    if (isRead(op))
      addOtherRead(op, slot, mutants);
    else
      mutants.add(op, "slot", "writes slot @" + nameOf(slot) + " instead",
                  [=](ProgramCopy &copy) { redirectWrite(copy.of(op), slot); });
  }
}

/// Two slots exchanged: on the way out of a block or into a loop or call, and the keys and values of an attention.
void kvasir::addExchangedSlots(Operation *op, MutantList &mutants) {
  auto exchange = [&](unsigned a, unsigned b, StringRef what) {
    mutants.add(op, handsOn(op) ? "return" : "slot", what, [=](ProgramCopy &copy) {
      Operation *mine = copy.of(op);
      Value first = mine->getOperand(a);
      mine->setOperand(a, mine->getOperand(b));
      mine->setOperand(b, first);
    });
  };
  if (auto attend = dyn_cast<kv::AttendOp>(op)) {
    if (attend.getKeys() != attend.getValues())
      exchange(attend.getKeysMutable().getOperandNumber(), attend.getValuesMutable().getOperandNumber(),
               "has keys and values exchanged");
    return;
  }
  std::optional<unsigned> last;
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isSlot(operand.get().getType()))
      continue;
    if (last && op->getOperand(*last).getType() != operand.get().getType()) {
      std::string names = ("slots @" + nameOf(op->getOperand(*last).getType()) + " and @" +
                           nameOf(operand.get().getType()) + " exchanged")
                              .str();
      exchange(*last, operand.getOperandNumber(), "has " + names);
    }
    last = operand.getOperandNumber();
  }
}
