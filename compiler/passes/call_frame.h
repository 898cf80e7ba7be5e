// SPDX-License-Identifier: MIT
// How generated code reads its call (kv_call of plugins/include/kvasir/plugin.h). All numbers come as index.
#ifndef KVASIR_PASSES_CALL_FRAME_H
#define KVASIR_PASSES_CALL_FRAME_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace kvasir {

/// Emits loads of a call's fields at the builder's place. A call is constant while it runs: each load is invariant, and
/// passes may move or repeat it on every member.
class CallFrame {
public:
  /// `call` is a !llvm.ptr to kv_call.
  CallFrame(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value call) : builder(builder), loc(loc), call(call) {}

  mlir::Value sequences();               ///< B
  mlir::Value tokens();                  ///< T
  mlir::Value wantedCount();             ///< W
  mlir::Value ownExtent(int64_t number); ///< of the function, 0 for a to 25 for z

  /// Of sequence `b`: rows held before the call, tokens it adds, number of its first token in the batch.
  mlir::Value start(mlir::Value b);
  mlir::Value count(mlir::Value b);
  mlir::Value first(mlir::Value b);

  /// Of token `t`: its sequence, its position.
  mlir::Value tokenSequence(mlir::Value t);
  mlir::Value position(mlir::Value t);

  /// The token whose output is row `w` of the wanted ones.
  mlir::Value wanted(mlir::Value w);

  /// Addresses, as !llvm.ptr. Slots are numbered in the schema's order, inputs and outputs in the description's.
  mlir::Value weights();
  mlir::Value scratch();
  mlir::Value input(unsigned index);
  mlir::Value output(unsigned index);
  mlir::Value block(unsigned slot, mlir::Value sequence, mlir::Value blockIndex);
  mlir::Value registerIn(unsigned slot, mlir::Value sequence);
  mlir::Value registerOut(unsigned slot, mlir::Value sequence);
  mlir::Value service(unsigned number); ///< the table of one that the description lists; null if the host has it not

  /// The whole arrays of positions ([T] i64) and wanted tokens ([W] i32), as memrefs.
  mlir::Value positionsArray();
  mlir::Value wantedArray();

private:
  mlir::Value load(mlir::Type type, mlir::Value base, int64_t offsetBytes);
  mlir::Value field(int64_t offsetBytes);
  mlir::Value number(mlir::Value base, mlir::Value index, unsigned bits);
  mlir::Value view(unsigned slot, mlir::Value sequence, int64_t offsetBytes);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Value call;
};

/// `base` + `offsetBytes`, both of the same address space; the offset is an index.
mlir::Value emitAddress(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value base, mlir::Value offsetBytes);

/// A memref of identity layout over memory that begins at `pointer`; `sizes` are its dynamic extents (index).
mlir::Value emitMemref(mlir::OpBuilder &builder, mlir::Location loc, mlir::MemRefType type, mlir::Value pointer,
                       mlir::ValueRange sizes);

/// Waits for all members. `member` is an index. The result is an i32: KV_OK, or KV_CANCELLED to all members alike.
mlir::Value emitBarrier(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value call, mlir::Value member);

} // namespace kvasir

#endif
