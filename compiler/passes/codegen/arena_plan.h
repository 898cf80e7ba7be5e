// SPDX-License-Identifier: MIT
// Where each buffer of a function lies in the call's scratch, before any IR is changed.
#ifndef KVASIR_PASSES_CODEGEN_ARENA_PLAN_H
#define KVASIR_PASSES_CODEGEN_ARENA_PLAN_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

#include <map>

namespace kvasir {

/// Buffers of a function as slices of one arena.
///
/// A place begins where its parent ends, so the places that are alive together form a path; what a loop's iteration or
/// a branch allocates is given back at its end. Within a block a place serves again, once the buffer that it held is
/// used no more, for a buffer whose size is the same expression. The size of a place is a function of the call and the
/// number of members alone.
class ArenaPlan {
public:
  /// Refuses, with a diagnostic: a size that depends on anything but the call's fields and the members; a buffer that
  /// leaves its block by a yield or a return; a buffer with a layout, or larger than any memory.
  llvm::LogicalResult plan(mlir::func::FuncOp function);

  bool empty() const { return placeOf.empty(); }

  /// Emits the offset of each place (index, in bytes) and, last, the bytes of the whole arena. `mapping` maps the
  /// function's arguments to values at the builder's place. A call whose size `emitBytes` has found to be right needs
  /// no checks.
  llvm::SmallVector<mlir::Value> emitOffsets(mlir::OpBuilder &builder, mlir::Location loc,
                                             mlir::IRMapping &mapping) const;

  /// Emits the bytes of the whole arena and of `more` in front of it: all ones, which nobody has, if they are beyond 64
  /// bits.
  mlir::Value emitBytes(mlir::OpBuilder &builder, mlir::Location loc, mlir::IRMapping &mapping, mlir::Value more) const;

  /// Every planned buffer, with the number of its place.
  llvm::ArrayRef<std::pair<mlir::memref::AllocOp, unsigned>> buffers() const { return placeOf; }

private:
  static constexpr int kNone = -1;

  struct Place {
    int parent;
    mlir::memref::AllocOp first; // its size is the place's
    unsigned sizeNumber;
  };

  enum class Overflow { wraps, saturates };

  llvm::LogicalResult planBlock(mlir::Block &block, int top);
  llvm::FailureOr<unsigned> numberSize(mlir::memref::AllocOp alloc);
  llvm::FailureOr<unsigned> numberValue(mlir::Value value);
  unsigned numberExpression(std::vector<const void *> expression);
  mlir::Value emitSize(mlir::OpBuilder &builder, mlir::Location loc, const Place &place, mlir::IRMapping &mapping,
                       Overflow overflow) const;
  llvm::SmallVector<mlir::Value> emitPlaces(mlir::OpBuilder &builder, mlir::Location loc, mlir::IRMapping &mapping,
                                            Overflow overflow) const;

  mlir::func::FuncOp function;
  std::vector<Place> places;
  llvm::SmallVector<std::pair<mlir::memref::AllocOp, unsigned>> placeOf;
  std::map<std::vector<const void *>, unsigned> numbers;
  llvm::DenseMap<mlir::Value, unsigned> numberOf;
};

} // namespace kvasir

#endif
