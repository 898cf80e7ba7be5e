// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"
#include "plugins/include/kvasir/plugin.h"

using namespace mlir;
using namespace kvasir::kv;

LogicalResult LoadRowsOp::verify() {
  auto outs = cast<ShapedType>(getOuts().getType());
  if (!outs.hasStaticShape() || outs.getDimSize(0) != KV_BLOCK_TOKENS) // C1
    return emitOpError("C1: outs is ") << outs << ", expected " << KV_BLOCK_TOKENS << " rows of static width";
  bool agrees = isa<TensorType>(outs) ? getResult() && getResult().getType() == outs : !getResult();
  return agrees ? success() : emitOpError("C2: a tensor gives a result of its type, a memref none"); // C2
}

void LoadRowsOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), State::get());
  if (isa<MemRefType>(getOuts().getType()))
    effects.emplace_back(MemoryEffects::Write::get(), &getOutsMutable());
}
