// SPDX-License-Identifier: MIT
#include "compiler/mutate/state_ops.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace kvasir;

bool kvasir::carriesState(Operation *op) {
  return isa<kv::LoopOp, scf::ForOp, scf::IfOp, func::CallOp>(op) && llvm::any_of(op->getResultTypes(), isSlot);
}

bool kvasir::isOnState(Operation *op) { return isWrite(op) || isRead(op) || carriesState(op) || isa<kv::BindOp>(op); }

Value kvasir::versionBefore(Operation *op, Type slot) {
  for (Operation *earlier = op->getPrevNode(); earlier; earlier = earlier->getPrevNode())
    for (Value result : earlier->getResults())
      if (result.getType() == slot)
        return result;
  for (Value argument : op->getBlock()->getArguments())
    if (argument.getType() == slot)
      return argument;
  Operation *parent = op->getParentOp();
  return !parent || isa<func::FuncOp, ModuleOp>(parent) ? Value() : versionBefore(parent, slot);
}

Value kvasir::olderVersion(Value value) {
  if (Operation *op = value.getDefiningOp())
    return versionBefore(op, value.getType());
  Operation *parent = value.getParentBlock()->getParentOp();
  return isa<func::FuncOp>(parent) ? Value() : versionBefore(parent, value.getType());
}

func::FuncOp kvasir::functionOf(Operation *op) { return op->getParentOfType<func::FuncOp>(); }

Value kvasir::batchOf(Operation *op) { return kv::batchOf(functionOf(op).getArguments()); }

SmallVector<unsigned> kvasir::layerOperands(Operation *op) {
  if (auto attend = dyn_cast<kv::AttendOp>(op)) {
    SmallVector<unsigned> numbers;
    for (MutableOperandRange layer : {attend.getKeyLayerMutable(), attend.getValueLayerMutable()})
      for (OpOperand &operand : layer)
        numbers.push_back(operand.getOperandNumber());
    return numbers;
  }
  bool isLayered = isWrite(op) || isRead(op);
  return isLayered && op->getNumOperands() > 1 ? SmallVector<unsigned>{1} : SmallVector<unsigned>{};
}

std::string kvasir::slotsOf(Operation *op) {
  SmallVector<StringRef> names;
  if (isWrite(op) || isRead(op))
    for (Type type : op->getOperandTypes())
      if (SymbolRefAttr symbol = kv::symbolOf(type))
        if (!llvm::is_contained(names, symbol.getLeafReference()))
          names.push_back(symbol.getLeafReference());
  std::string text;
  for (StringRef name : names)
    text += (text.empty() ? "@" : ", @") + name.str();
  return text;
}

bool kvasir::isUpTo(Operation *op, Operation *last) {
  Operation *ancestor = last->getBlock()->findAncestorOpInBlock(*op);
  return ancestor && (ancestor == last || ancestor->isBeforeInBlock(last));
}
