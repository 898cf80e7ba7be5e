// SPDX-License-Identifier: MIT
#include "compiler/passes/row_extent.h"

#include "compiler/dialects/kv/dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// What a loop's body or its caller gets first where the loop has `number` among what it carries.
Value initOf(Operation *op, unsigned number) {
  auto loop = dyn_cast<LoopLikeOpInterface>(op);
  return loop && number < loop.getInits().size() ? loop.getInits()[number] : Value();
}

/// The tensor that has as many rows as `tensor`, one step closer to where they come from; null where it is made here.
Value rowsFrom(Value tensor) {
  if (auto argument = dyn_cast<BlockArgument>(tensor))
    return argument.getArgNumber() ? initOf(argument.getOwner()->getParentOp(), argument.getArgNumber() - 1) : Value();
  Operation *op = tensor.getDefiningOp();
  unsigned number = cast<OpResult>(tensor).getResultNumber();
  if (isa<LoopLikeOpInterface>(op))
    return initOf(op, number);
  if (isa<kv::GroupOp, scf::IfOp>(op))
    return op->getRegion(0).front().getTerminator()->getOperand(number);
  if (auto take = dyn_cast<lm::TakeOp>(op))
    return take.getRows();
  if (auto invoke = dyn_cast<lm::InvokeOp>(op))
    return invoke.getTiedOpOperand(cast<OpResult>(tensor))->get();
  if (auto empty = dyn_cast<tensor::EmptyOp>(op); empty && !empty.getDynamicSizes().empty()) {
    auto dim = empty.getDynamicSizes()[0].getDefiningOp<tensor::DimOp>();
    return dim ? dim.getSource() : Value();
  }
  for (Value operand : op->getOperands())
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()); type && type.getRank() && type.isDynamicDim(0))
      return operand;
  return {};
}
} // namespace

RowCount kvasir::rowCountOf(Value tensor) {
  Value last = tensor;
  for (Value at = tensor; at; at = rowsFrom(at))
    last = at;
  auto empty = last.getDefiningOp<tensor::EmptyOp>();
  bool isOfSequences = empty && !empty.getDynamicSizes().empty() && empty.getType().isDynamicDim(0) &&
                       empty.getDynamicSizes()[0].getDefiningOp<kv::SequencesOp>();
  if (last.getDefiningOp<kv::GetOp>() || isOfSequences)
    return RowCount::sequences;
  return last.getDefiningOp<kv::WantedOp>() ? RowCount::wanted : RowCount::tokens;
}

Value kvasir::emitRowCount(ImplicitLocOpBuilder &builder, RowCount rows, Value batch) {
  if (rows == RowCount::tokens)
    return builder.create<kv::TokensOp>(batch);
  if (rows == RowCount::sequences)
    return builder.create<kv::SequencesOp>(batch);
  auto type = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  Value wanted = builder.create<kv::WantedOp>(type, batch);
  return builder.create<tensor::DimOp>(wanted, 0);
}

Value kvasir::emitEmptyRows(ImplicitLocOpBuilder &builder, Type type, Value like, Value batch) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<Value> extents;
  if (tensor.getRank() && tensor.isDynamicDim(0))
    extents.push_back(emitRowCount(builder, rowCountOf(like), batch));
  return builder.create<tensor::EmptyOp>(tensor, extents);
}
