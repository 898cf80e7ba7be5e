// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Computes the last layer for the wanted rows only, as far as no other row is needed.
///
///     %y = kv.loop %l = 0 to 30 carry(%h = %x) { … %a = kv.attend … %f = f(%h, %a)  kv.yield %f }
///     %t = lm.take %y, %wanted
///  => %h = kv.loop %l = 0 to 29 carry(%h = %x) { … %a = kv.attend … %f = f(%h, %a)  kv.yield %f }
///     … %a = kv.attend …
///     %t = f(lm.take %h, %wanted; lm.take %a, %wanted)
///
/// A prompt wants one row of its last layer's, and that layer is a thirtieth of the model. Ops whose rows do not depend
/// on one another (what lm.Decomposes promises, and elementwise ones) move behind the take, so no bit of a result
/// changes.
struct TakeEarly : PassWrapper<TakeEarly, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TakeEarly)
  StringRef getArgument() const override { return "take-early"; }
  StringRef getDescription() const override { return "compute the last layer for the wanted rows only"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, kv::KvDialect, lm::LmDialect>();
  }
  void runOnOperation() override {
    SmallVector<lm::TakeOp> takes;
    getOperation().walk([&](lm::TakeOp take) {
      if (take.getRows().getDefiningOp<kv::WantedOp>())
        takes.push_back(take);
    });
    for (lm::TakeOp take : takes) {
      if (auto result = dyn_cast<OpResult>(take.getInput()))
        if (auto loop = dyn_cast<kv::LoopOp>(result.getOwner());
            loop && isComputedByRow(yieldedAt(loop, result).getDefiningOp()))
          peelLastLayer(loop);
      sink(take);
    }
  }

private:
  static Value yieldedAt(kv::LoopOp loop, OpResult result) {
    return loop.getBody().front().getTerminator()->getOperand(result.getResultNumber());
  }

  static bool isMatrixOfRows(Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getRank() == 2 && type.isDynamicDim(0) &&
           (type.getElementType().isF32() || type.getElementType().isInteger(32));
  }

  /// Row t of each result comes from rows t of matrices.
  static bool isComputedByRow(Operation *op) {
    if (!op || op->getNumResults() == 0 || isa<lm::TakeOp>(op) || !llvm::all_of(op->getResults(), isMatrixOfRows))
      return false;
    if (!isa<lm::Decomposes>(op) && !op->hasTrait<OpTrait::Elementwise>())
      return false;
    return llvm::all_of(op->getOperands(), [](Value operand) {
      return isa<lm::WeightType>(operand.getType()) || isMatrixOfRows(operand);
    });
  }

  /// "blk.{layer}.attn_q" => "blk.29.attn_q"
  static Location nameLayer(Location location, int64_t layer) {
    auto named = dyn_cast<NameLoc>(location);
    if (!named)
      return location;
    auto [before, after] = named.getName().strref().split("{layer}");
    if (before.size() == named.getName().size())
      return location;
    return NameLoc::get(StringAttr::get(location.getContext(), before + Twine(layer) + after), named.getChildLoc());
  }

  /// What the last layer does, behind the loop; a loop of one layer goes.
  static void peelLastLayer(kv::LoopOp loop) {
    OpBuilder builder(loop->getContext());
    builder.setInsertionPointAfter(loop);
    int64_t last = int64_t(loop.getTo()) - 1;
    bool isOnly = last == int64_t(loop.getFrom());
    SmallVector<Value> carried(isOnly ? loop.getCarried() : ValueRange(loop.getResults()));
    SmallVector<OpOperand *> uses;
    for (Value result : loop.getResults())
      for (OpOperand &use : result.getUses())
        uses.push_back(&use);

    IRMapping mapping;
    mapping.map(loop.getLayer(), builder.create<arith::ConstantIndexOp>(loop.getLoc(), last));
    mapping.map(loop.getRegionIterArgs(), carried);
    Block &body = loop.getBody().front();
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping)->walk([&](Operation *clone) { clone->setLoc(nameLayer(clone->getLoc(), last)); });
    for (OpOperand *use : uses) {
      unsigned number = cast<OpResult>(use->get()).getResultNumber();
      use->set(mapping.lookupOrDefault(body.getTerminator()->getOperand(number)));
    }
    if (isOnly)
      loop.erase();
    else
      loop.setTo(last);
  }

  /// The ops before `take` that only takes of these rows use, from the last to the first, each behind takes of its own.
  static void sink(lm::TakeOp take) {
    Value rows = take.getRows();
    for (Operation *op = take->getPrevNode(), *previous; op; op = previous) {
      previous = op->getPrevNode();
      bool isTaken = llvm::all_of(op->getUsers(), [&](Operation *user) { return isTakeOf(user, rows); });
      if (isTaken && !op->use_empty() && isComputedByRow(op))
        moveBehindTakes(op, rows);
    }
  }

  static bool isTakeOf(Operation *op, Value rows) {
    auto take = dyn_cast<lm::TakeOp>(op);
    return take && take.getRows() == rows;
  }

  /// f(x), then takes of what it makes => a take of x, then f.
  static void moveBehindTakes(Operation *op, Value rows) {
    SmallVector<Operation *> takes(op->getUsers());
    Operation *first = *llvm::min_element(takes, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    OpBuilder builder(first);
    IRMapping mapping;
    for (Value operand : op->getOperands())
      if (isMatrixOfRows(operand))
        mapping.map(operand, takeBefore(first, operand, rows));
    Operation *moved = builder.clone(*op, mapping);
    for (Operation *take : takes) {
      auto taken = cast<OpResult>(cast<lm::TakeOp>(take).getInput());
      take->replaceAllUsesWith(ValueRange(moved->getResult(taken.getResultNumber())));
      take->erase();
    }
    op->erase();
  }

  /// The rows of `matrix`, taken before `place`: once, whoever wants them.
  static Value takeBefore(Operation *place, Value matrix, Value rows) {
    for (Operation *user : matrix.getUsers()) {
      if (!isTakeOf(user, rows) || user->getBlock() != place->getBlock())
        continue;
      if (place->isBeforeInBlock(user))
        user->moveBefore(place);
      return user->getResult(0);
    }
    return OpBuilder(place).create<lm::TakeOp>(place->getLoc(), matrix.getType(), matrix, rows);
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeTakeEarly() { return std::make_unique<TakeEarly>(); }
