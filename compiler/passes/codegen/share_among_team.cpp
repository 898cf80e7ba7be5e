// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"
#include "compiler/passes/call_frame.h"
#include "compiler/passes/codegen/freestanding/program.h"
#include "compiler/passes/codegen/passes.h"
#include "compiler/passes/codegen/step_marks.h"
#include "compiler/passes/contract.h"
#include "compiler/passes/labels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Whether the memref is a global that nothing writes.
bool isConstant(Value memref) {
  auto known = memref.getDefiningOp<memref::GetGlobalOp>();
  auto global = known ? SymbolTable::lookupNearestSymbolFrom<memref::GlobalOp>(known, known.getNameAttr()) : nullptr;
  return global && global.getConstant();
}

/// May be done by every member: it depends on its operands and the call alone, and leaves no trace.
bool isFree(Operation *op) {
  if (auto load = dyn_cast<LLVM::LoadOp>(op))
    return load.getInvariant();
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return isConstant(load.getMemRef());
  return isMemoryEffectFree(op);
}

bool isKernelCall(Operation *op) {
  auto call = dyn_cast<func::CallOp>(op);
  if (!call)
    return false;
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(call, call.getCalleeAttr());
  return callee && callee->hasAttr(kKernelAttr);
}

bool holdsKernelCall(Operation *op) {
  return op
      ->walk([](Operation *inner) { return isKernelCall(inner) ? WalkResult::interrupt() : WalkResult::advance(); })
      .wasInterrupted();
}

/// Loops around loops, `op` included, counted along the deepest nest.
unsigned loopDepth(Operation *op) {
  unsigned deepest = 0;
  for (Region &region : op->getRegions())
    for (Operation &inner : region.getOps())
      deepest = std::max(deepest, loopDepth(&inner));
  return deepest + isa<scf::ForOp>(op);
}

/// A loop whose iterations may take so long that each should hear of a cancellation: over layers, or over rows of a
/// matrix product.
bool isLong(Operation *op) {
  constexpr unsigned kLongDepth = 3;
  return isa<scf::ForOp>(op) && op->getNumResults() == 0 && loopDepth(op) >= kLongDepth;
}

llvm::SetVector<Attribute> labelsOf(Operation *op) {
  llvm::SetVector<Attribute> labels;
  op->walk([&](Operation *inner) { collectLabels(inner->getLoc(), labels); });
  return labels;
}

/// Whether the loop's iterations are layers, and not rows of one op.
bool isOverLayers(Operation *loop) {
  llvm::SetVector<Attribute> labels;
  collectLabels(loop->getLoc(), labels);
  return labels.contains(layersLabel(loop->getContext()));
}

/// Rewrites one entry.
class TeamWriter {
public:
  TeamWriter(func::FuncOp function, StepMarks &marks)
      : function(function), builder(function.getContext()), marks(marks) {
    marks.enter(function);
  }

  LogicalResult write() {
    if (!llvm::hasSingleElement(function.getBody()))
      return function.emitOpError("has several blocks, expected structured control flow");
    Block &body = function.front();
    builder.setInsertionPointToStart(&body);
    status = builder.create<memref::AllocaOp>(function.getLoc(), MemRefType::get({}, builder.getI32Type()));
    Operation *store = builder.create<memref::StoreOp>(function.getLoc(), constant(0), status);
    Value refusal;
    if (failed(writeBlock(body, lowerRefusals(store, refusal))))
      return failure();
    Operation *end = body.getTerminator();
    builder.setInsertionPoint(end);
    Value result = builder.create<memref::LoadOp>(end->getLoc(), status);
    if (refusal) {
      Value isWell = builder.create<arith::CmpIOp>(end->getLoc(), arith::CmpIPredicate::eq, result, constant(0));
      Value refused = builder.create<memref::LoadOp>(end->getLoc(), refusal);
      result = builder.create<arith::SelectOp>(end->getLoc(), isWell, refused, result);
    }
    builder.create<func::ReturnOp>(end->getLoc(), result);
    end->erase();
    function.setFunctionType(builder.getFunctionType(function.getArgumentTypes(), builder.getI32Type()));
    return success();
  }

private:
  Value constant(int32_t value) {
    return builder.create<arith::ConstantOp>(function.getLoc(), builder.getI32IntegerAttr(value));
  }

  /// Makes of each late kv.require a number in a variable of member 0's own, the first that applies; `refusal` is null
  /// where there are none. Gives the op that the body begins after.
  Operation *lowerRefusals(Operation *after, Value &refusal) {
    SmallVector<kv::RequireOp> refusals;
    function.walk([&](kv::RequireOp op) { refusals.push_back(op); });
    if (refusals.empty())
      return after;
    refusal = builder.create<memref::AllocaOp>(function.getLoc(), MemRefType::get({}, builder.getI32Type()));
    after = builder.create<memref::StoreOp>(function.getLoc(), constant(0), refusal);
    SetVector<Attribute> messages;
    for (kv::RequireOp op : refusals) {
      messages.insert(op.getMessageAttr());
      const auto number = llvm::find(messages, op.getMessageAttr()) - messages.begin();
      builder.setInsertionPoint(op);
      Value isWrong =
          builder.create<arith::CmpIOp>(op.getLoc(), arith::CmpIPredicate::ne, op.getFound(), op.getExpected());
      auto wrong = builder.create<scf::IfOp>(op.getLoc(), isWrong, /*withElseRegion=*/false);
      builder.setInsertionPointToStart(wrong.thenBlock());
      Value before = builder.create<memref::LoadOp>(op.getLoc(), refusal);
      Value isFirst = builder.create<arith::CmpIOp>(op.getLoc(), arith::CmpIPredicate::eq, before, constant(0));
      Value mine = constant(int32_t(KVASIR_REFUSED + 1 + number));
      builder.create<memref::StoreOp>(op.getLoc(), builder.create<arith::SelectOp>(op.getLoc(), isFirst, mine, before),
                                      refusal);
      op.erase();
    }
    function->setAttr(kRefusalsAttr, builder.getArrayAttr(messages.getArrayRef()));
    return after;
  }

  LogicalResult writeBlock(Block &block, Operation *after) {
    SmallVector<Operation *> segment, all;
    for (Operation *op = after ? after->getNextNode() : &block.front(); op; op = op->getNextNode())
      all.push_back(op);
    for (Operation *op : all) {
      bool isShared = holdsKernelCall(op) || (block.getParentOp() == function && isLong(op));
      if (!isShared && !op->hasTrait<OpTrait::IsTerminator>()) {
        segment.push_back(op);
        continue;
      }
      if (failed(writeRun(segment, op)) || failed(isShared ? writeShared(op) : success()))
        return failure();
      segment.clear();
    }
    return success();
  }

  LogicalResult writeShared(Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op); call && isKernelCall(op)) {
      writeGuarded(op, [&](Block *body) {
        mark(body, call.getCallee().rsplit('.').first, op);
        op->moveBefore(body, body->end());
      });
      return success();
    }
    if (!isa<scf::ForOp, scf::IfOp, scf::WhileOp>(op))
      return op->emitOpError("holds a kernel's call, expected scf.for, scf.if or scf.while");
    if (!holdsKernelCall(op) && !isOverLayers(op))
      return writeRows(op);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        if (failed(writeBlock(block, nullptr)))
          return failure();
    return success();
  }

  /// A long loop of one op: a step, however many iterations it has.
  LogicalResult writeRows(Operation *loop) {
    builder.setInsertionPoint(loop);
    marks.mark(builder, "", loop);
    isMarked = true;
    LogicalResult result = writeBlock(loop->getRegion(0).front(), nullptr);
    isMarked = false;
    return result;
  }

  void mark(Block *body, StringRef kernel, ArrayRef<Operation *> ops) {
    builder.setInsertionPointToEnd(body);
    if (!isMarked)
      marks.mark(builder, kernel, ops);
  }

  /// if (status == 0) { fill; status |= barrier }, before `place`.
  void writeGuarded(Operation *place, function_ref<void(Block *)> fill) {
    Location loc = place->getLoc();
    builder.setInsertionPoint(place);
    Value before = builder.create<memref::LoadOp>(loc, status);
    Value isWell = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, before, constant(0));
    auto guard = builder.create<scf::IfOp>(loc, isWell, /*withElseRegion=*/false);
    Block *body = guard.thenBlock();
    Operation *yield = body->getTerminator();
    yield->remove();
    fill(body);
    builder.setInsertionPointToEnd(body);
    writeBarrier(loc);
    body->push_back(yield);
    builder.setInsertionPointAfter(guard);
  }

  void writeBarrier(Location loc) {
    Value answer = emitBarrier(builder, loc, function.getArgument(0), function.getArgument(1));
    Value before = builder.create<memref::LoadOp>(loc, status);
    builder.create<memref::StoreOp>(loc, builder.create<arith::OrIOp>(loc, before, answer), status);
  }

  /// Makes member 0 do what of `segment` isn't free, just before `end`.
  LogicalResult writeRun(ArrayRef<Operation *> segment, Operation *end) {
    SetVector<Operation *> run = findRun(segment);
    for (ArrayRef<Operation *> part : splitRun(run))
      writeGuarded(end, [&](Block *body) { writeAlone(body, part); });
    return run.empty() ? success() : repeatForAll(run);
  }

  void writeAlone(Block *body, ArrayRef<Operation *> part) {
    mark(body, "", part);
    Location loc = part.front()->getLoc();
    Value zero = builder.create<arith::ConstantIndexOp>(loc, 0);
    Value isFirst = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, function.getArgument(1), zero);
    auto alone = builder.create<scf::IfOp>(loc, isFirst, /*withElseRegion=*/false);
    alone->setAttr(kAloneAttr, builder.getUnitAttr());
    for (Operation *op : part)
      op->moveBefore(alone.thenBlock()->getTerminator());
  }

  /// What is left of one op of the program is a step of its own. Ops that need one another's values stay together; so
  /// do all of a run of very many ops, whose barriers would be felt.
  SmallVector<SmallVector<Operation *>> splitRun(const SetVector<Operation *> &run) const {
    constexpr size_t kMostParts = 64;
    SmallVector<SmallVector<Operation *>> parts;
    llvm::DenseMap<Operation *, size_t> partOf;
    llvm::SetVector<Attribute> current;
    for (Operation *op : run) {
      llvm::SetVector<Attribute> labels = isMarked ? current : labelsOf(op);
      if (parts.empty() || (!labels.empty() && !current.empty() && labels.getArrayRef() != current.getArrayRef()))
        parts.emplace_back();
      if (!labels.empty())
        current = labels;
      size_t place = parts.size() - 1;
      for (Value value : usedBy(op))
        if (auto maker = partOf.find(value.getDefiningOp()); maker != partOf.end())
          place = std::min(place, maker->second);
      for (size_t later = place + 1; later < parts.size(); ++later) {
        for (Operation *joined : parts[later])
          partOf[joined] = place;
        parts[place].append(parts[later]);
      }
      parts.resize(place + 1);
      parts[place].push_back(op);
      partOf[op] = place;
    }
    if (parts.size() > kMostParts)
      return {SmallVector<Operation *>(run.getArrayRef())};
    return parts;
  }

  static SetVector<Value> usedBy(Operation *op) {
    SetVector<Value> used;
    getUsedValuesDefinedAbove(op->getRegions(), used);
    used.insert(op->operand_begin(), op->operand_end());
    return used;
  }

  static SetVector<Operation *> findRun(ArrayRef<Operation *> segment) {
    SetVector<Operation *> run;
    for (Operation *op : segment) {
      if (!isFree(op) || llvm::any_of(usedBy(op), [&](Value value) { return run.contains(value.getDefiningOp()); }))
        run.insert(op);
    }
    return run;
  }

  /// What member 0 read and others need as well is read again by all, after the barrier, and a second barrier keeps the
  /// next writer away until all have read.
  LogicalResult repeatForAll(const SetVector<Operation *> &run) {
    IRMapping mapping;
    bool hasRead = false;
    for (Operation *op : run) {
      auto isOutside = [&](OpOperand &use) { return !isInside(run, use.getOwner()); };
      for (Value result : op->getResults()) {
        if (llvm::none_of(result.getUses(), isOutside))
          continue;
        Value copy = repeat(run, result, mapping, hasRead);
        if (!copy)
          return op->emitOpError("is computed by one member, but all need its result; store it in a buffer");
        result.replaceUsesWithIf(copy, isOutside);
      }
    }
    if (hasRead)
      writeGuarded(&*builder.getInsertionPoint(), [](Block *) {});
    return success();
  }

  static bool isInside(const SetVector<Operation *> &run, Operation *op) {
    for (; op; op = op->getParentOp())
      if (run.contains(op))
        return true;
    return false;
  }

  Value repeat(const SetVector<Operation *> &run, Value value, IRMapping &mapping, bool &hasRead) {
    if (Value known = mapping.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    bool isRead = op->getNumRegions() == 0 && hasSingleEffect<MemoryEffects::Read>(op);
    if (!isFree(op) && !isRead)
      return {};
    for (Value operand : op->getOperands())
      if (run.contains(operand.getDefiningOp()) && !repeat(run, operand, mapping, hasRead))
        return {};
    hasRead |= isRead;
    return builder.clone(*op, mapping)->getResult(cast<OpResult>(value).getResultNumber());
  }

  func::FuncOp function;
  OpBuilder builder;
  StepMarks &marks;
  Value status;
  bool isMarked = false; ///< what is written is part of a step that has begun
};

/// Lets a team run an entry together.
///
/// Every member runs the whole function. Calls of kernels are made by all; the runs of other code between them are made
/// by member 0, one op of the program after the other; arithmetic on the call's numbers, and views, by all. A barrier
/// follows each of these. A member keeps the barriers' answers, which are the same for all: once one is not KV_OK,
/// nothing more is run, and the function returns it. So that this is soon, an outermost loop of three or more levels
/// counts as shared even where it calls no kernel: each of its iterations ends with a barrier.
///
///     call @k(...)                       if (status == 0) { call @k(...); status |= barrier }
///     linalg.generic ...            =>   if (status == 0) { if (member == 0) { linalg.generic ... }; status |= barrier
///     }
///
/// Before it does what is labelled (labels.h) a member says so in its cell at the beginning of scratch; `kvasir.steps`
/// on the module are the steps (step_marks.h).
///
/// A late kv.require becomes a number that member 0 keeps and returns; `kvasir.refusals` on the function are the
/// messages.
///
/// Refuses: a result that member 0 computes by writing and all need.
struct ShareAmongTeam : PassWrapper<ShareAmongTeam, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ShareAmongTeam)
  StringRef getArgument() const override { return "share-among-team"; }
  StringRef getDescription() const override {
    return "let every member run an entry, kernels together, the rest by one";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, memref::MemRefDialect, scf::SCFDialect>();
  }
  void runOnOperation() override {
    StepMarks marks(&getContext());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (isEntry(function) && failed(TeamWriter(function, marks).write()))
        return signalPassFailure();
    if (!marks.steps().empty())
      getOperation()->setAttr(kStepsAttr, marks.steps());
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeShareAmongTeam() { return std::make_unique<ShareAmongTeam>(); }
