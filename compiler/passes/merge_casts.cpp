// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Lets a block cast a tensor to a type once.
///
///     %a = tensor.cast %x, %b = tensor.cast %x, linalg.generic ins(%a) outs(%b)
///  => %a = tensor.cast %x,                      linalg.generic ins(%a) outs(%a)
///
/// Canonicalization casts each operand by itself where it finds that an extent is static (T of a function for one
/// token). Bufferization would take the two for different views of one buffer, and copy, which a loop's carried tensor
/// can't be.
struct MergeCasts : PassWrapper<MergeCasts, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MergeCasts)
  StringRef getArgument() const override { return "merge-casts"; }
  StringRef getDescription() const override { return "cast a tensor to a type once a block"; }
  void runOnOperation() override {
    getOperation().walk([](Block *block) {
      llvm::DenseMap<std::pair<Value, Type>, Value> first;
      for (auto cast : llvm::make_early_inc_range(block->getOps<tensor::CastOp>())) {
        auto [known, isNew] = first.try_emplace({cast.getSource(), cast.getType()}, cast.getResult());
        if (isNew)
          continue;
        cast.replaceAllUsesWith(known->second);
        cast.erase();
      }
    });
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeMergeCasts() { return std::make_unique<MergeCasts>(); }
