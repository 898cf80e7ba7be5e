// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Gives each kernel tensors of its own to write to.
///
///     %e = tensor.empty(%t), lm.invoke @a() outs(%e), lm.invoke @b() outs(%e)
///  => %e = tensor.empty(%t), lm.invoke @a() outs(%e), %f = tensor.empty(%t), lm.invoke @b() outs(%f)
///
/// CSE merges them. Empty tensor elimination would then make the buffer of one output out of the two, and the second
/// result would be written to where the first is kept.
struct SeparateOuts : PassWrapper<SeparateOuts, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SeparateOuts)
  StringRef getArgument() const override { return "separate-outs"; }
  StringRef getDescription() const override { return "give each kernel tensors of its own to write to"; }
  void runOnOperation() override {
    getOperation().walk([](lm::InvokeOp invoke) {
      OpBuilder builder(invoke);
      for (OpOperand &out : invoke.getOutsMutable())
        if (auto empty = out.get().getDefiningOp<tensor::EmptyOp>(); empty && !empty->hasOneUse())
          out.set(builder.clone(*empty)->getResult(0));
    });
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeSeparateOuts() { return std::make_unique<SeparateOuts>(); }
