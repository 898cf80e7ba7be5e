// SPDX-License-Identifier: MIT
// Ops on state that are not there, there twice, or there in some calls only.
#include "compiler/mutate/mutations.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// What stands for each result of `op` when it is gone: what it took of the same type. Empty where there is no such.
SmallVector<Value> standInsFor(Operation *op) {
  SmallVector<Value> taken(op->getOperands()), values;
  for (Type type : op->getResultTypes()) {
    auto found = llvm::find_if(taken, [&](Value value) { return value && value.getType() == type; });
    if (found == taken.end())
      return {};
    values.push_back(*found);
    *found = {};
  }
  return values;
}

/// Zeros of the extents that the result of `op`, a kv.get or kv.read, has.
Value emitZeros(ImplicitLocOpBuilder &b, Operation *op, Value batch) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<Value> extents;
  if (type.isDynamicDim(0)) {
    auto read = dyn_cast<kv::ReadOp>(op);
    extents.push_back(read ? b.create<arith::SubIOp>(read.getEnd(), read.getBegin()).getResult()
                           : b.create<kv::SequencesOp>(batch).getResult());
  }
  Value empty = b.create<tensor::EmptyOp>(type, extents);
  Value zero = b.create<arith::ConstantOp>(b.getZeroAttr(type.getElementType()));
  return b.create<linalg::FillOp>(zero, empty).getResult(0);
}

bool canBeZeros(Operation *op) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  return isa<kv::GetOp, kv::ReadOp>(op) && type.getNumDynamicDims() == type.isDynamicDim(0);
}

/// `op`, a write, inside a branch that is taken where T == 1 is `isDecode`.
void emitConditional(Operation *op, Value batch, bool isDecode) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value tokens = b.create<kv::TokensOp>(batch), one = b.create<arith::ConstantIndexOp>(1);
  auto when = isDecode ? arith::CmpIPredicate::eq : arith::CmpIPredicate::ne;
  Value condition = b.create<arith::CmpIOp>(when, tokens, one);
  auto branch = b.create<scf::IfOp>(op->getResultTypes(), condition, /*withElseRegion=*/true);
  op->getResult(0).replaceAllUsesWith(branch.getResult(0));
  b.setInsertionPointToEnd(&branch.getElseRegion().front());
  b.create<scf::YieldOp>(op->getOperand(0));
  b.setInsertionPointToEnd(&branch.getThenRegion().front());
  Operation *yield = b.create<scf::YieldOp>(op->getResult(0));
  op->moveBefore(yield);
}
} // namespace

void kvasir::addRemoved(Operation *op, MutantList &mutants) {
  if (!isOnState(op) || isa<scf::IfOp>(op))
    return;
  if (!standInsFor(op).empty())
    mutants.add(op, "remove", "is removed", [=](ProgramCopy &copy) {
      Operation *mine = copy.of(op);
      mine->replaceAllUsesWith(standInsFor(mine));
      mine->erase();
    });
  else if (canBeZeros(op))
    mutants.add(op, "remove", "gives zeros", [=](ProgramCopy &copy) {
      Operation *mine = copy.of(op);
      ImplicitLocOpBuilder b(mine->getLoc(), mine);
      mine->getResult(0).replaceAllUsesWith(emitZeros(b, mine, batchOf(mine)));
      mine->erase();
    });
}

void kvasir::addDoubled(Operation *op, MutantList &mutants) {
  if (!isOnState(op) || isa<scf::IfOp>(op))
    return;
  mutants.add(op, "double", "is done twice", [=](ProgramCopy &copy) {
    Operation *first = copy.of(op);
    SmallVector<Value> standIns = standInsFor(first);
    OpBuilder b(first->getContext());
    b.setInsertionPointAfter(first);
    Operation *second = b.clone(*first);
    first->replaceAllUsesWith(second->getResults());
    for (auto [taken, result] : llvm::zip(standIns, first->getResults()))
      if (isSlot(result.getType()) || isa<kv::LoopOp, scf::ForOp>(op))
        second->replaceUsesOfWith(taken, result);
  });
}

void kvasir::addConditional(Operation *op, MutantList &mutants) {
  if (!isWrite(op) || isa<kv::WaiveOp>(op) || !batchOf(op))
    return;
  for (bool isDecode : {true, false})
    mutants.add(op, "condition", isDecode ? "is done in calls of one token only" : "is not done in calls of one token",
                [=](ProgramCopy &copy) { emitConditional(copy.of(op), batchOf(copy.of(op)), isDecode); });
}
