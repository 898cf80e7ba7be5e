// SPDX-License-Identifier: MIT
#include "compiler/passes/state_regions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace kvasir;

bool kvasir::isState(Type type) { return isa<kv::SlotType, kv::ViewType, kv::BatchType>(type); }

Value kvasir::emitView(ImplicitLocOpBuilder &builder, Type type, Value layer) {
  return builder.create<UnrealizedConversionCastOp>(type, layer).getResult(0);
}

Value kvasir::layerOfView(ImplicitLocOpBuilder &builder, Value view) {
  if (auto cast = view.getDefiningOp<UnrealizedConversionCastOp>())
    return cast.getOperand(0);
  return builder.create<UnrealizedConversionCastOp>(builder.getIndexType(), view).getResult(0);
}

bool kvasir::passesState(Operation *op) {
  if (isa<kv::LoopOp>(op))
    return true;
  return isa<scf::ForOp, scf::IfOp>(op) &&
         (llvm::any_of(op->getOperandTypes(), isState) || llvm::any_of(op->getResultTypes(), isState));
}

namespace {
/// What is carried instead of `values`.
SmallVector<Value> withoutState(ImplicitLocOpBuilder &builder, ValueRange values) {
  SmallVector<Value> kept;
  for (Value value : values)
    if (isa<kv::ViewType>(value.getType()))
      kept.push_back(layerOfView(builder, value));
    else if (!isState(value.getType()))
      kept.push_back(value);
  return kept;
}

/// Puts `kept`, which withoutState left of values like `old`, in their place.
void substitute(ImplicitLocOpBuilder &builder, ValueRange old, ValueRange kept) {
  for (Value value : old) {
    bool isView = isa<kv::ViewType>(value.getType());
    if (isState(value.getType()) && !isView)
      continue;
    value.replaceAllUsesWith(isView ? emitView(builder, value.getType(), kept.front()) : kept.front());
    kept = kept.drop_front();
  }
}

/// Moves the ops of `from` to the end of `to`, the last one as an scf.yield.
void moveBody(ImplicitLocOpBuilder &builder, Block &from, Block &to) {
  to.getOperations().splice(to.end(), from.getOperations());
  Operation *yield = &to.back();
  builder.setInsertionPoint(yield);
  builder.create<scf::YieldOp>(withoutState(builder, yield->getOperands()));
  yield->erase();
}

struct Range {
  Value from, to, step;
};

void dropFromLoop(ImplicitLocOpBuilder &builder, Operation *op, const Range &range, ValueRange inits) {
  Block &old = op->getRegion(0).front();
  auto loop = builder.create<scf::ForOp>(range.from, range.to, range.step, withoutState(builder, inits));
  Block *body = loop.getBody();
  if (!body->empty())
    body->getTerminator()->erase();
  builder.setInsertionPointToStart(body);
  old.getArgument(0).replaceAllUsesWith(loop.getInductionVar());
  substitute(builder, old.getArguments().drop_front(), loop.getRegionIterArgs());
  moveBody(builder, old, *body);
  builder.setInsertionPointAfter(loop);
  substitute(builder, op->getResults(), loop.getResults());
  op->erase();
}

void dropFromBranch(ImplicitLocOpBuilder &builder, scf::IfOp op) {
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    if (isa<kv::ViewType>(type))
      types.push_back(builder.getIndexType());
    else if (!isState(type))
      types.push_back(type);
  auto branch = builder.create<scf::IfOp>(types, op.getCondition(), /*addThenBlock=*/true, /*addElseBlock=*/true);
  moveBody(builder, *op.thenBlock(), *branch.thenBlock());
  moveBody(builder, *op.elseBlock(), *branch.elseBlock());
  builder.setInsertionPointAfter(branch);
  substitute(builder, op.getResults(), branch.getResults());
  op.erase();
}
} // namespace

void kvasir::dropState(Operation *op) {
  ImplicitLocOpBuilder builder(op->getLoc(), op);
  auto constant = [&](int64_t value) { return builder.create<arith::ConstantIndexOp>(value); };
  if (auto loop = dyn_cast<kv::LoopOp>(op))
    dropFromLoop(builder, op, {constant(loop.getFrom()), constant(loop.getTo()), constant(1)}, loop.getCarried());
  else if (auto loop = dyn_cast<scf::ForOp>(op))
    dropFromLoop(builder, op, {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()}, loop.getInitArgs());
  else
    dropFromBranch(builder, cast<scf::IfOp>(op));
}
