// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"
#include "plugins/include/kvasir/plugin.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
/// C2 of kv.load_rows, C1 of the others.
template <typename Op> LogicalResult verifyDestination(Op op, StringRef constraint) {
  Type outs = op.getOuts().getType();
  bool agrees = isa<TensorType>(outs) ? op.getResult() && op.getResult().getType() == outs : !op.getResult();
  return agrees ? success() : op.emitOpError(constraint) << ": a tensor gives a result of its type, a memref none";
}

template <typename Op> void addEffects(Op op, SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  effects.emplace_back(MemoryEffects::Read::get(), State::get());
  if (isa<MemRefType>(op.getOuts().getType()))
    effects.emplace_back(MemoryEffects::Write::get(), &op.getOutsMutable());
}
} // namespace

LogicalResult LoadRowsOp::verify() {
  auto outs = cast<ShapedType>(getOuts().getType());
  if (!outs.hasStaticShape() || outs.getDimSize(0) != KV_BLOCK_TOKENS) // C1
    return emitOpError("C1: outs is ") << outs << ", expected " << KV_BLOCK_TOKENS << " rows of static width";
  return verifyDestination(*this, "C2"); // C2
}

LogicalResult CopyRowsOp::verify() { return verifyDestination(*this, "C1"); }     // C1
LogicalResult LoadRegisterOp::verify() { return verifyDestination(*this, "C1"); } // C1

void LoadRowsOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) { addEffects(*this, effects); }
void CopyRowsOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) { addEffects(*this, effects); }
void LoadRegisterOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) { addEffects(*this, effects); }

/// What holds in every call goes.
LogicalResult RequireOp::canonicalize(RequireOp op, PatternRewriter &rewriter) {
  APInt found, expected;
  bool areEqual = op.getFound() == op.getExpected() ||
                  (matchPattern(op.getFound(), m_ConstantInt(&found)) &&
                   matchPattern(op.getExpected(), m_ConstantInt(&expected)) && found == expected);
  if (areEqual)
    rewriter.eraseOp(op);
  return success(areEqual);
}
