// SPDX-License-Identifier: MIT
// The vocabulary of the decompositions: pieces of linalg and tensor that every family needs.
#ifndef KVASIR_DIALECTS_LM_EMIT_H
#define KVASIR_DIALECTS_LM_EMIT_H

#include "compiler/dialects/lm/dialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir::lm {

/// The extent of a tensor's dimension: a constant attribute where it is static.
mlir::OpFoldResult emitExtent(mlir::ImplicitLocOpBuilder &builder, mlir::Value tensor, int64_t dim);

/// A tensor of undefined elements as large as `like`, of type `type`.
mlir::Value emitEmpty(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<mlir::OpFoldResult> extents,
                      mlir::Type element);
mlir::Value emitEmptyLike(mlir::ImplicitLocOpBuilder &builder, mlir::Value like);

mlir::Value emitF32(mlir::ImplicitLocOpBuilder &builder, float value);
mlir::Value emitIndex(mlir::ImplicitLocOpBuilder &builder, int64_t value);

/// `tensor` with every element `value`.
mlir::Value emitFill(mlir::ImplicitLocOpBuilder &builder, float value, mlir::Value tensor);

/// A linalg.generic over the dimensions of `outs` and `numReduced` more, innermost. `maps` are the dimensions that each
/// of inputs and, last, outs is indexed by. `body` is given the scalars and returns the new element of outs.
using EmitBody = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;
mlir::Value emitGeneric(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange inputs, mlir::Value outs,
                        llvm::ArrayRef<llvm::SmallVector<unsigned>> maps,
                        llvm::ArrayRef<mlir::utils::IteratorType> loops, EmitBody body);

/// One loop a dimension of `outs`; every operand has its shape.
mlir::Value emitElementwise(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange inputs, mlir::Value outs,
                            EmitBody body);

/// Rows of a weight that are dequantised at a time: four AVX2 vectors, and a tile that stays in the cache.
constexpr int64_t kTileRows = 32;

/// rows [R, K] times rows begin .. begin + N - 1 of a weight, into `into` [R, N]. What is dequantised is turned, so
/// that the innermost loop runs over the rows of the weight; each element is still one sum over k, in order.
mlir::Value emitProduct(mlir::ImplicitLocOpBuilder &builder, mlir::Value rows, mlir::Value weight, mlir::Value begin,
                        mlir::Value into);

/// A vector weight as tensor<E>.
mlir::Value emitVector(mlir::ImplicitLocOpBuilder &builder, mlir::Value weight);

} // namespace kvasir::lm

#endif
