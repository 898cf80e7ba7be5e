// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Lets a block cast a tensor to a type once, and what both branches of an scf.if cast before they yield it, behind it.
///
///     %a = tensor.cast %x, %b = tensor.cast %x, linalg.generic ins(%a) outs(%b)
///  => %a = tensor.cast %x,                      linalg.generic ins(%a) outs(%a)
///
///     %y = scf.if %c { scf.yield (tensor.cast %a) } else { scf.yield (tensor.cast %b) }
///  => %y = tensor.cast (scf.if %c { scf.yield %a } else { scf.yield %b })
///
/// Canonicalization casts each operand by itself where it finds that an extent is static (T of a function for one
/// token). Bufferization would take the two for different views of one buffer, and copy, which a loop's carried tensor
/// can't be, and what branches yield of one buffer would be two values.
struct MergeCasts : PassWrapper<MergeCasts, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MergeCasts)
  StringRef getArgument() const override { return "merge-casts"; }
  StringRef getDescription() const override { return "cast a tensor to a type once a block"; }
  void runOnOperation() override {
    getOperation().walk([](scf::IfOp branch) { // those within first
      for (OpResult result : branch.getResults())
        castBehind(branch, result);
    });
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

private:
  static void castBehind(scf::IfOp branch, OpResult result) {
    OpOperand &then = branch.thenYield()->getOpOperand(result.getResultNumber());
    OpOperand &otherwise = branch.elseYield()->getOpOperand(result.getResultNumber());
    auto one = then.get().getDefiningOp<tensor::CastOp>(), other = otherwise.get().getDefiningOp<tensor::CastOp>();
    if (!one || !other || one.getSource().getType() != other.getSource().getType())
      return;
    OpBuilder builder(branch->getContext());
    builder.setInsertionPointAfter(branch);
    auto cast = builder.create<tensor::CastOp>(one.getLoc(), result.getType(), result);
    result.replaceAllUsesExcept(cast, cast);
    result.setType(one.getSource().getType());
    then.set(one.getSource());
    otherwise.set(other.getSource());
    for (tensor::CastOp old : {one, other})
      if (old->use_empty())
        old.erase();
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeMergeCasts() { return std::make_unique<MergeCasts>(); }
