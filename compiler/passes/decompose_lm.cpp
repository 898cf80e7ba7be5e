// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Replaces the arithmetic by its decomposition: what no backend took.
///
///     %y = lm.rms_norm %x, %w {epsilon = 1.0e-05 : f32}
///  => %s = linalg.generic (sums of squares), %r = linalg.generic (1 / sqrt), %y = linalg.generic (product)
///
/// After it, lm.select, lm.dequantize and lm.invoke are the only ops of the dialect in a function.
struct DecomposeLm : PassWrapper<DecomposeLm, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DecomposeLm)
  StringRef getArgument() const override { return "decompose-lm"; }
  StringRef getDescription() const override { return "say the arithmetic of lm in upstream dialects, in f32"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<lm::LmDialect>(); }
  void runOnOperation() override {
    SmallVector<lm::Decomposes> ops;
    getOperation().walk([&](lm::Decomposes op) { ops.push_back(op); });
    for (lm::Decomposes op : ops) {
      OpBuilder builder(op);
      op->replaceAllUsesWith(op.decompose(builder));
      op.erase();
    }
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeDecomposeLm() { return std::make_unique<DecomposeLm>(); }
