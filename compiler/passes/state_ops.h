// SPDX-License-Identifier: MIT
// The ops of kv, one by one, as what lower-slots leaves of them.
#ifndef KVASIR_PASSES_STATE_OPS_H
#define KVASIR_PASSES_STATE_OPS_H

#include "compiler/passes/attention.h"
#include "compiler/passes/call_frame.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir {

/// The slots of a module by their numbers, and where they lie.
class Slots {
public:
  explicit Slots(mlir::ModuleOp module);

  /// By a slot's name, in the schema's order.
  int64_t number(mlir::StringAttr slot) const { return numbers.lookup(slot); }

  /// Fails, with a diagnostic at `op`, where the slot has no layout.
  mlir::FailureOr<LayerRef> find(mlir::Operation *op, mlir::SymbolRefAttr symbol, mlir::Value layer) const;

private:
  llvm::DenseMap<mlir::StringAttr, int64_t> numbers;
};

/// Lowers ops of one entry, whose first argument is the call. Nobody uses the versions of slots that they make.
class StateOps {
public:
  StateOps(mlir::func::FuncOp function, mlir::Value batch, const Slots &slots)
      : function(function), batch(batch), slots(slots) {}

  /// Replaces `op`, of kv or one that carries state, and erases it. Diagnostics say what has no lowering.
  llvm::LogicalResult lower(mlir::Operation *op);

  /// One layer of a register as the call finds it; `type` is [B] + content.
  mlir::Value emitContents(mlir::ImplicitLocOpBuilder &builder, mlir::RankedTensorType type, const LayerRef &layer);

private:
  using Builder = mlir::ImplicitLocOpBuilder;

  llvm::LogicalResult lowerNumber(Builder &builder, mlir::Operation *op);
  llvm::LogicalResult lowerAppend(Builder &builder, kv::AppendOp op);
  llvm::LogicalResult lowerAttend(Builder &builder, kv::AttendOp op);
  llvm::LogicalResult lowerRead(Builder &builder, kv::ReadOp op);
  llvm::LogicalResult lowerGet(Builder &builder, kv::GetOp op);
  llvm::LogicalResult lowerSet(Builder &builder, kv::SetOp op);
  llvm::LogicalResult lowerArray(Builder &builder, mlir::Operation *op, mlir::Value memref);
  void requireHeld(Builder &builder, kv::ReadOp op, const LayerRef &layer);
  mlir::FailureOr<mlir::Value> numberOf(Builder &builder, mlir::Operation *op);
  mlir::FailureOr<mlir::Value> fieldOf(Builder &builder, mlir::Operation *op, kv::Field field, uint64_t sequence);
  mlir::FailureOr<LayerRef> layerOf(Builder &builder, mlir::Operation *op, mlir::Value source, mlir::Value layer);
  mlir::Value tokens(Builder &builder);
  mlir::Value sequences(Builder &builder);
  CallFrame frameAt(Builder &builder) { return CallFrame(builder, builder.getLoc(), function.getArgument(0)); }

  mlir::func::FuncOp function;
  mlir::Value batch;
  const Slots &slots;
};

} // namespace kvasir

#endif
