// SPDX-License-Identifier: MIT
#include "compiler/passes/call_frame.h"
#include "compiler/passes/codegen/arena_plan.h"
#include "compiler/passes/codegen/passes.h"
#include "plugins/steps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Makes each buffer of an entry a slice of the call's scratch, 64-byte aligned, behind the members' cells
/// (plugins/steps.h).
///
///     %a = memref.alloc(%t) : memref<?x64xf32>
///  => %a = memref.view %scratch[%offset][%t] : memref<?xi8> to memref<?x64xf32>
///
/// After it no entry allocates, and for each entry @f there is @f.scratch(%call, %members) -> index, the bytes that it
/// needs: the same arithmetic, emitted twice. A kernel that allocates is refused, as is what ArenaPlan refuses.
struct AllocateFromArena : PassWrapper<AllocateFromArena, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AllocateFromArena)
  StringRef getArgument() const override { return "allocate-from-arena"; }
  StringRef getDescription() const override { return "make every buffer a slice of the call's scratch"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, memref::MemRefDialect>();
  }
  void runOnOperation() override {
    for (func::FuncOp function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (failed(isEntry(function) ? allocate(function) : refuseAllocations(function)))
        return signalPassFailure();
  }

private:
  static LogicalResult refuseAllocations(func::FuncOp function) {
    WalkResult result = function.walk([](memref::AllocOp alloc) {
      return alloc.emitOpError("in a kernel: ask for scratch in its signature"), WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  static LogicalResult allocate(func::FuncOp function) {
    function.walk([](memref::DeallocOp dealloc) { dealloc.erase(); });
    ArenaPlan plan;
    if (failed(plan.plan(function)))
      return failure();
    emitScratchFunction(function, plan);
    if (plan.empty())
      return success();
    OpBuilder builder(function.getContext());
    builder.setInsertionPointToStart(&function.front());
    IRMapping mapping;
    mapArguments(function, function.getArgument(0), function.getArgument(2), mapping);
    SmallVector<Value> offsets = plan.emitOffsets(builder, function.getLoc(), mapping);
    auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    Value pointer = CallFrame(builder, function.getLoc(), function.getArgument(0)).scratch();
    pointer = emitAddress(builder, function.getLoc(), pointer,
                          emitCellBytes(builder, function.getLoc(), function.getArgument(2)));
    Value arena = emitMemref(builder, function.getLoc(), type, pointer, offsets.back());
    for (auto [alloc, place] : plan.buffers()) {
      builder.setInsertionPoint(alloc);
      Value view = builder.create<memref::ViewOp>(alloc->getLoc(), memref::AllocOp(alloc).getType(), arena,
                                                  offsets[place], memref::AllocOp(alloc).getDynamicSizes());
      alloc->getResult(0).replaceAllUsesWith(view);
      memref::AllocOp(alloc).erase();
    }
    return success();
  }

  /// What members' cells take.
  static Value emitCellBytes(OpBuilder &builder, Location loc, Value members) {
    Value size = builder.create<arith::ConstantIndexOp>(loc, int64_t(kStepCellBytes));
    return builder.create<arith::MulIOp>(loc, members, size);
  }

  static void mapArguments(func::FuncOp function, Value call, Value members, IRMapping &mapping) {
    mapping.map(function.getArgument(0), call);
    mapping.map(function.getArgument(2), members);
  }

  static void emitScratchFunction(func::FuncOp function, const ArenaPlan &plan) {
    OpBuilder builder(function);
    Location loc = function.getLoc();
    builder.setInsertionPointAfter(function);
    Type arguments[] = {function.getArgument(0).getType(), builder.getIndexType()};
    auto sizer = builder.create<func::FuncOp>(loc, (function.getName() + kScratchSuffix).str(),
                                              builder.getFunctionType(arguments, builder.getIndexType()));
    Block *body = sizer.addEntryBlock();
    builder.setInsertionPointToStart(body);
    IRMapping mapping;
    mapArguments(function, body->getArgument(0), body->getArgument(1), mapping);
    Value cells = emitCellBytes(builder, loc, body->getArgument(1));
    Value total = plan.emitBytes(builder, loc, mapping, cells);
    builder.create<func::ReturnOp>(loc, total);
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeAllocateFromArena() { return std::make_unique<AllocateFromArena>(); }
