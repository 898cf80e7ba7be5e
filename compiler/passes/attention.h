// SPDX-License-Identifier: MIT
// kv.attend in linalg, tensor and scf: what a backend that declines it gets.
#ifndef KVASIR_PASSES_ATTENTION_H
#define KVASIR_PASSES_ATTENTION_H

#include "compiler/dialects/kv/dialect.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir {

/// One layer of a slot, without the slot's value.
struct LayerRef {
  mlir::SymbolRefAttr symbol;
  int64_t slot; ///< the number in the schema
  lm::LayoutAttr layout;
  kv::CacheOp cache; ///< null for a register
  mlir::Value layer;
};

/// The result of `op` in f32, at the builder; its query is in f32. `call` is the pointer to kv_call. Each row of it is
/// computed as if it were alone: for its sequence's partitions of 128 keys, which are absolute, in order, scores,
/// maximum, exponentials and weighted sum from zero, merged into what came before. So it does not depend on how a
/// sequence came in chunks or on what else is in the batch.
mlir::Value emitAttention(mlir::ImplicitLocOpBuilder &builder, mlir::Value call, kv::AttendOp op, const LayerRef &keys,
                          const LayerRef &values);

} // namespace kvasir

#endif
