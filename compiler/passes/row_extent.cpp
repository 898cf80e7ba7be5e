// SPDX-License-Identifier: MIT
#include "compiler/passes/row_extent.h"

#include "compiler/dialects/kv/dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// The tensor that has as many rows as `tensor`, one step closer to where they come from; null where it is made here.
Value rowsFrom(Value tensor) {
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    auto loop = dyn_cast<kv::LoopOp>(argument.getOwner()->getParentOp());
    return loop && argument.getArgNumber() ? loop.getCarried()[argument.getArgNumber() - 1] : Value();
  }
  Operation *op = tensor.getDefiningOp();
  unsigned number = cast<OpResult>(tensor).getResultNumber();
  if (auto loop = dyn_cast<kv::LoopOp>(op))
    return loop.getCarried()[number];
  if (auto group = dyn_cast<kv::GroupOp>(op))
    return group.getBody().front().getTerminator()->getOperand(number);
  if (auto take = dyn_cast<lm::TakeOp>(op))
    return take.getRows();
  for (Value operand : op->getOperands())
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()); type && type.getRank() && type.isDynamicDim(0))
      return operand;
  return {};
}
} // namespace

bool kvasir::hasWantedRows(Value tensor) {
  Value last = tensor;
  for (Value at = tensor; at; at = rowsFrom(at))
    last = at;
  return last.getDefiningOp<kv::WantedOp>() != nullptr;
}

Value kvasir::emitEmptyRows(ImplicitLocOpBuilder &builder, Type type, Value like, Value batch) {
  auto tensor = cast<RankedTensorType>(type);
  SmallVector<Value> extents;
  if (tensor.getRank() && tensor.isDynamicDim(0)) {
    if (hasWantedRows(like)) {
      auto rows = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
      Value wanted = builder.create<kv::WantedOp>(rows, batch);
      extents.push_back(builder.create<tensor::DimOp>(wanted, 0));
    } else {
      extents.push_back(builder.create<kv::TokensOp>(batch));
    }
  }
  return builder.create<tensor::EmptyOp>(tensor, extents);
}
