// SPDX-License-Identifier: MIT
// The ops that state goes through, as the mutations see them.
#ifndef KVASIR_MUTATE_STATE_OPS_H
#define KVASIR_MUTATE_STATE_OPS_H

#include "compiler/dialects/kv/dialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir {

inline bool isSlot(mlir::Type type) { return mlir::isa<kv::SlotType>(type); }

/// Makes the next version of the slot that its operand 0 is.
inline bool isWrite(mlir::Operation *op) { return mlir::isa<kv::AppendOp, kv::WriteOp, kv::SetOp, kv::WaiveOp>(op); }

inline bool isRead(mlir::Operation *op) { return mlir::isa<kv::AttendOp, kv::ReadOp, kv::GetOp, kv::BorrowOp>(op); }

/// Whether `op` is a loop, a call or a branch that slots go through.
bool carriesState(mlir::Operation *op);

/// Whether `op` reads, writes, carries or checks state.
bool isOnState(mlir::Operation *op);

/// The version of a slot just before `op`; null where there is none.
mlir::Value versionBefore(mlir::Operation *op, mlir::Type slot);

/// The version that `value` took the place of; null for an argument of a function.
mlir::Value olderVersion(mlir::Value value);

/// The function that `op` is in.
mlir::func::FuncOp functionOf(mlir::Operation *op);

/// The batch of the function that `op` is in; null if it has none.
mlir::Value batchOf(mlir::Operation *op);

/// The numbers of the operands of `op` that are layers.
llvm::SmallVector<unsigned> layerOperands(mlir::Operation *op);

/// The slots that `op` reads or writes by their layers, by name: "@k", "@k, @v"; empty for none.
std::string slotsOf(mlir::Operation *op);

/// Whether `op` is in the block of `last`, or in an op of that block, at or before it.
bool isUpTo(mlir::Operation *op, mlir::Operation *last);

} // namespace kvasir

#endif
