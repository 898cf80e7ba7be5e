// SPDX-License-Identifier: MIT
// Writes the IR of kernels: integers are i64, memory is bytes behind !llvm.ptr, vectors have one dimension.
#ifndef KVASIR_BACKENDS_CPU_CODE_H
#define KVASIR_BACKENDS_CPU_CODE_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>

namespace kvasir::cpu {

using mlir::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = SmallVector<Value>;
using Combine = llvm::function_ref<Value(Value, Value)>;

/// Where IR is written, with one short word an instruction. All float arithmetic is exact to the letter: no flags.
class Code {
public:
  explicit Code(mlir::ImplicitLocOpBuilder &builder);

  // Types.
  Type i8, i16, i32, i64, f16, bf16, f32, f64, ptr;
  mlir::VectorType vec(int64_t lanes, Type element) const { return mlir::VectorType::get(lanes, element); }

  // Integers of 64 bits.
  Value num(int64_t value);
  Value add(Value a, Value b);
  Value add(Value a, int64_t b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b);
  Value div(Value a, int64_t b); ///< a / b, a >= 0
  Value div(Value a, Value b);
  Value rem(Value a, int64_t b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  Value less(Value a, Value b);
  Value equal(Value a, int64_t b);
  Value within(Value a, Value begin, Value end); ///< begin <= a < end
  Value select(Value condition, Value a, Value b);
  Value fromIndex(Value index);
  Value toIndex(Value number);
  Value fromWord(Value word); ///< of an i32 that is not negative

  // Memory.
  Value at(Value base, Value bytes);
  Value at(Value base, int64_t bytes);
  Value load(Type type, Value address, unsigned align = 4);
  void store(Value value, Value address, unsigned align = 4);
  /// Every lane of a vector of `lanes` elements of `type` is the element at `address`.
  Value loadSplat(int64_t lanes, Type type, Value address);
  /// Fetches `bytes` bytes from `address` on for reading, line by line, into the caches from `level` on.
  void prefetch(Value address, int64_t bytes, int64_t level = 1);
  /// Fetches the cache line at `address` for writing: from others that have it, too.
  void prefetchToWrite(Value address);
  /// A number that others may change at the same time: a barrier, not this, says what else is seen with it.
  Value atomicLoad(Value address);
  /// The same; adds to it, and returns what was there before.
  Value atomicAdd(Value address, int64_t number);
  /// The address of the first element of a memref of identity layout.
  Value addressOf(Value memref);

  // Vectors, and scalars alike where it makes sense.
  Value splat(int64_t lanes, float value);
  Value splat(int64_t lanes, Type integer, int64_t value);
  Value splat(int64_t lanes, Value scalar);
  Value addI(Value a, Value b);
  Value subI(Value a, Value b);
  Value andI(Value a, Value b);
  Value orI(Value a, Value b);
  Value shl(Value a, int64_t bits);
  Value shr(Value a, int64_t bits); ///< zeros come in
  Value sar(Value a, int64_t bits); ///< the sign comes in
  Value addF(Value a, Value b);
  Value subF(Value a, Value b);
  Value mulF(Value a, Value b);
  Value divF(Value a, Value b);
  Value maxF(Value a, Value b); ///< a > b ? a : b
  Value minF(Value a, Value b);
  Value fma(Value a, Value b, Value c); ///< a * b + c, rounded once
  Value absF(Value a);
  Value ceilF(Value a);
  Value sqrtF(Value a);
  Value toFloat(Value integers); ///< signed i32 to f32
  Value toInt(Value floats);     ///< f32 to the nearest i32, halves to even
  Value extF(Value floats, Type element);
  Value truncI(Value integers, Type element);
  Value bitcast(Value value, Type type);
  Value zero(Type type);
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> lanes);
  Value extract(Value vector, int64_t lane);
  /// The same vector or address, of which the compiler knows nothing: sums that go through it are added in the order in
  /// which they are written, and what is loaded from it is loaded again instead of kept in a register.
  Value pinned(Value value);
  Value intrinsic(llvm::StringRef name, Type result, ValueRange operands);

  /// Lanes added, or the largest of them, in the order of a halving tree: the same for every width of registers.
  Value reduceAdd(Value vector);
  Value reduceMax(Value vector);
  /// Some vectors' lanes combined in that order, each vector's to one lane: 0 of the first, 1 of the second, and so on.
  /// They have as many lanes as the result, and are no more than these.
  Value reduceTogether(llvm::ArrayRef<Value> vectors, Combine combine);
  /// Blocks of `half` lanes of two vectors in turn: those with even numbers, and those with odd ones.
  std::pair<Value, Value> alternating(Value a, Value b, int64_t half);

  // Control.
  using Body = std::function<void(Value)>;
  using CarryBody = std::function<Values(Value, ValueRange)>;
  void loop(Value begin, Value end, int64_t step, const Body &body);
  Values loop(Value begin, Value end, int64_t step, ValueRange carried, const CarryBody &body);
  void when(Value condition, const std::function<void()> &then, const std::function<void()> &otherwise = {});
  Values choose(Value condition, const std::function<Values()> &then, const std::function<Values()> &otherwise,
                mlir::TypeRange types);

  mlir::ImplicitLocOpBuilder &builder() { return b; }

private:
  mlir::ImplicitLocOpBuilder &b;
};

/// Of a vector.
inline int64_t lanesOf(Value vector) { return mlir::cast<mlir::VectorType>(vector.getType()).getNumElements(); }

/// A private function of the module that is written once and called from several kernels. `write` fills it when it is
/// not there yet; it gets the arguments.
mlir::func::FuncOp sharedFunction(mlir::ModuleOp module, llvm::StringRef name, mlir::TypeRange arguments,
                                  const std::function<void(Code &, ValueRange)> &write);

} // namespace kvasir::cpu

#endif
