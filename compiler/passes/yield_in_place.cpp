// SPDX-License-Identifier: MIT
#include "compiler/passes/contract.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/row_extent.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Lets both branches of an scf.if write what they yield to one buffer, made before it.
///
///     %y = scf.if %near -> tensor<?x64xf32> { … scf.yield %a } else { … scf.yield %b }
///  => %e = tensor.empty(%t)
///     %y = scf.if %near -> tensor<?x64xf32> { … scf.yield (%a in %e) } else { … scf.yield (%b in %e) }
///
/// Otherwise each would yield a buffer of its own, whose memory is given back at the branch's end. The tensor has T, W
/// or B rows as row_extent.h finds, and a call in which it has another number is refused. What kernels in both branches
/// make of one tensor in its place, which nobody needs as it was, stays there. Refuses: other extents that only the run
/// knows.
struct YieldInPlace : PassWrapper<YieldInPlace, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(YieldInPlace)
  StringRef getArgument() const override { return "yield-in-place"; }
  StringRef getDescription() const override { return "let branches write what they yield to one buffer"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<bufferization::BufferizationDialect, kv::KvDialect, tensor::TensorDialect>();
  }
  void runOnOperation() override {
    Value batch = kv::batchOf(getOperation().getArguments());
    if (!batch)
      return;
    SmallVector<scf::IfOp> branches;
    getOperation().walk<WalkOrder::PreOrder>([&](scf::IfOp branch) { branches.push_back(branch); });
    for (scf::IfOp branch : branches)
      if (failed(place(branch, batch)))
        return signalPassFailure();
  }

private:
  /// The tensor from outside of the branch in whose place a kernel makes a yielded one; null where that is not so.
  static Value updatedBy(scf::IfOp branch, Value yielded) {
    if (auto inner = yielded.getDefiningOp<scf::IfOp>(); inner && branch->isProperAncestor(inner))
      return updatedByBoth(inner, cast<OpResult>(yielded).getResultNumber());
    auto invoke = yielded.getDefiningOp<lm::InvokeOp>();
    Value place = invoke ? invoke.getTiedOpOperand(cast<OpResult>(yielded))->get() : Value();
    return place && !branch->isAncestor(place.getParentRegion()->getParentOp()) ? place : Value();
  }

  static Value updatedByBoth(scf::IfOp branch, unsigned number) {
    Value place = updatedBy(branch, branch.thenYield().getOperand(number));
    return place == updatedBy(branch, branch.elseYield().getOperand(number)) ? place : Value();
  }

  /// A tensor that is needed afterwards, or that the function was given, is not written. What a branch around this one
  /// yields on is that one's.
  static bool isUpdatedInPlace(scf::IfOp branch, unsigned number) {
    if (branch->getResult(number).hasOneUse())
      if (OpOperand &use = *branch->getResult(number).use_begin(); isa<scf::YieldOp>(use.getOwner()))
        if (auto outer = dyn_cast<scf::IfOp>(use.getOwner()->getParentOp()))
          return isUpdatedInPlace(outer, use.getOperandNumber());
    Value place = updatedByBoth(branch, number);
    if (!place || (isa<BlockArgument>(place) && isa<func::FuncOp>(place.getParentBlock()->getParentOp())))
      return false;
    return llvm::all_of(place.getUsers(), [&](Operation *user) {
      Operation *above = branch->getBlock()->findAncestorOpInBlock(*user);
      return above && (above == branch || above->isBeforeInBlock(branch));
    });
  }

  static LogicalResult place(scf::IfOp branch, Value batch) {
    for (OpResult result : branch.getResults()) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type || isUpdatedInPlace(branch, result.getResultNumber()))
        continue;
      if (type.getRank() && llvm::any_of(type.getShape().drop_front(), ShapedType::isDynamic))
        return branch.emitOpError("yields ") << type << ": only the first extent may be the run's";
      ImplicitLocOpBuilder builder(branch.getLoc(), branch);
      Value like = branch.thenYield().getOperand(result.getResultNumber());
      Value place = emitEmptyRows(builder, type, like, batch);
      for (scf::YieldOp yield : {branch.thenYield(), branch.elseYield()})
        writeTo(yield->getOpOperand(result.getResultNumber()), place);
    }
    return success();
  }

  static void writeTo(OpOperand &yielded, Value place) {
    ImplicitLocOpBuilder builder(yielded.getOwner()->getLoc(), yielded.getOwner());
    auto type = cast<RankedTensorType>(place.getType());
    if (type.getRank() && type.isDynamicDim(0))
      emitRequireRows(builder, yielded.get(), place.getDefiningOp<tensor::EmptyOp>().getDynamicSizes()[0],
                      "a branch yields %d rows, expected %d");
    yielded.set(builder.create<bufferization::MaterializeInDestinationOp>(type, yielded.get(), place)->getResult(0));
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeYieldInPlace() { return std::make_unique<YieldInPlace>(); }
