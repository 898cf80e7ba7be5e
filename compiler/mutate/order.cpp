// SPDX-License-Identifier: MIT
// Ops on state that are done in another order, or with each other's rows.
#include "compiler/mutate/mutations.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Whether something at or before `last` uses what `op` makes, slots aside: those have older versions.
bool isNeededUpTo(Operation *op, Operation *last) {
  for (Value result : op->getResults()) {
    bool isNeeded = llvm::any_of(result.getUsers(), [&](Operation *user) { return isUpTo(user, last); });
    if (isNeeded && !(isSlot(result.getType()) && versionBefore(op, result.getType())))
      return true;
  }
  return false;
}

Value resultOf(Operation *op, Type type) {
  for (Value result : op->getResults())
    if (result.getType() == type)
      return result;
  return {};
}

/// Moves `op` behind `last`. What lies between sees the versions from before `op`; where both write one slot, `op`
/// takes the version that `last` makes.
void moveBehind(Operation *op, Operation *last) {
  for (Value mine : op->getResults()) {
    Type slot = mine.getType();
    if (!isSlot(slot))
      continue;
    Value before = versionBefore(op, slot), made = resultOf(last, slot);
    mine.replaceUsesWithIf(before, [&](OpOperand &use) { return isUpTo(use.getOwner(), last); });
    if (!made)
      continue;
    made.replaceAllUsesWith(mine);
    op->replaceUsesOfWith(before, made);
  }
  op->moveAfter(last);
}

/// Whether both take one slot or view; ops that do not may be done in either order.
bool shareSlot(Operation *op, Operation *other) {
  return llvm::any_of(op->getOperandTypes(), [&](Type type) {
    SymbolRefAttr symbol = kv::symbolOf(type);
    return symbol &&
           llvm::any_of(other->getOperandTypes(), [&](Type theirs) { return kv::symbolOf(theirs) == symbol; });
  });
}

bool reads(Operation *op, Operation *maker) {
  return llvm::any_of(op->getOperands(), [&](Value value) { return value.getDefiningOp() == maker; });
}
} // namespace

void kvasir::addMoved(Operation *op, MutantList &mutants) {
  if (!isOnState(op))
    return;
  bool isNext = true;
  for (Operation *other = op->getNextNode(); other; other = other->getNextNode()) {
    if (!isOnState(other))
      continue;
    bool isMine = isWrite(op) && reads(other, op);
    bool areWrites = isWrite(op) && isWrite(other); // of two slots: the host can't tell, and it is good to see it so
    if ((isMine || (isNext && (areWrites || shareSlot(op, other)))) && !isNeededUpTo(op, other)) {
      std::string slots = slotsOf(other);
      mutants.add(op, "swap", "is done after " + other->getName().getStringRef() + (slots.empty() ? "" : " ") + slots,
                  [=](ProgramCopy &copy) { moveBehind(copy.of(op), copy.of(other)); });
    }
    isNext = false;
  }
}

/// A read that is done again behind the next write, for those who use it there.
void kvasir::addLateReads(Operation *op, MutantList &mutants) {
  if (!isa<kv::GetOp, kv::ReadOp>(op))
    return;
  Operation *write = op->getNextNode();
  while (write && !(isWrite(write) && write->getOperand(0) == op->getOperand(0)))
    write = write->getNextNode();
  auto isLate = [=](Operation *user) {
    Operation *ancestor = write->getBlock()->findAncestorOpInBlock(*user);
    return ancestor && write->isBeforeInBlock(ancestor);
  };
  if (!write || !llvm::any_of(op->getUsers(), isLate))
    return;
  mutants.add(op, "swap", "is done after " + write->getName().getStringRef(), [=](ProgramCopy &copy) {
    Operation *mine = copy.of(op), *mineWrite = copy.of(write);
    OpBuilder b(mine->getContext());
    b.setInsertionPointAfter(mineWrite);
    Operation *late = b.clone(*mine);
    late->setOperand(0, mineWrite->getResult(0));
    mine->getResult(0).replaceUsesWithIf(late->getResult(0), [&](OpOperand &use) {
      Operation *ancestor = late->getBlock()->findAncestorOpInBlock(*use.getOwner());
      return ancestor && late->isBeforeInBlock(ancestor);
    });
  });
}

/// Keys stored as values and values as keys: two writes of one block, of rows of one type.
void kvasir::addExchangedRows(Operation *op, MutantList &mutants) {
  constexpr unsigned kRows = 2;
  if (!isa<kv::AppendOp, kv::WriteOp, kv::SetOp>(op))
    return;
  for (Operation *other = op->getNextNode(); other; other = other->getNextNode()) {
    if (other->getName() != op->getName() || other->getOperand(kRows).getType() != op->getOperand(kRows).getType() ||
        other->getOperand(kRows) == op->getOperand(kRows))
      continue;
    bool isReady = DominanceInfo().properlyDominates(other->getOperand(kRows), op);
    if (!isReady && llvm::any_of(op->getUsers(), [&](Operation *user) { return isUpTo(user, other); }))
      continue;
    mutants.add(op, "swap",
                "has the rows of " + other->getName().getStringRef() + " " + slotsOf(other) + ", and it those",
                [=](ProgramCopy &copy) {
                  Operation *mine = copy.of(op), *theirs = copy.of(other);
                  if (!isReady)
                    mine->moveBefore(theirs);
                  Value rows = mine->getOperand(kRows);
                  mine->setOperand(kRows, theirs->getOperand(kRows));
                  theirs->setOperand(kRows, rows);
                });
  }
}

void kvasir::addExchangedBranches(Operation *op, MutantList &mutants) {
  auto branch = dyn_cast<scf::IfOp>(op);
  if (!branch || !carriesState(op) || branch.getElseRegion().empty())
    return;
  mutants.add(op, "swap", "has its branches exchanged", [=](ProgramCopy &copy) {
    auto mine = cast<scf::IfOp>(copy.of(op));
    Block *then = mine.thenBlock(), *otherwise = mine.elseBlock();
    then->moveBefore(otherwise);
    otherwise->moveBefore(&mine.getThenRegion(), mine.getThenRegion().end());
  });
}
