// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"
#include "compiler/passes/call_frame.h"
#include "compiler/passes/codegen/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Turns lm.invoke into calls.
///
///     lm.invoke @k(%x : memref<?x64xf32>) outs(%y : memref<?x96xf32>) {scratch = array<i64: a, b, c>}
///  =>
///     %s = memref.alloc(a + b * T + c * members) : memref<?xi8>
///     call @k(%call, %member, %members, %x, %y, %s)
///
/// Memrefs are cast to what the kernel takes. Refuses: an invoke outside of an entry, or one whose kernel wants a
/// layout that an operand has not.
struct CallKernels : PassWrapper<CallKernels, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CallKernels)
  StringRef getArgument() const override { return "call-kernels"; }
  StringRef getDescription() const override {
    return "turn lm.invoke into calls with the call, the member and scratch";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, memref::MemRefDialect>();
  }
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<lm::InvokeOp> invokes;
    getOperation().walk([&](lm::InvokeOp invoke) { invokes.push_back(invoke); });
    for (lm::InvokeOp invoke : invokes)
      if (failed(lower(invoke, symbols.lookup<func::FuncOp>(invoke.getKernel()))))
        return signalPassFailure();
  }

private:
  LogicalResult lower(lm::InvokeOp invoke, func::FuncOp kernel) {
    auto entry = invoke->getParentOfType<func::FuncOp>();
    if (!kernel || !entry || !isEntry(entry))
      return invoke.emitOpError("expected a kernel of this module, invoked by a public function");
    OpBuilder builder(invoke);
    SmallVector<Value> operands{entry.getArgument(0), entry.getArgument(1), entry.getArgument(2)};
    llvm::append_range(operands, invoke.getInputs());
    llvm::append_range(operands, invoke.getOuts());
    operands.push_back(allocateScratch(builder, invoke, entry));
    if (kernel.getNumArguments() != operands.size())
      return invoke.emitOpError() << "gives " << operands.size() << " operands, the kernel takes "
                                  << kernel.getNumArguments();
    for (auto [operand, wanted] : llvm::zip_equal(operands, kernel.getArgumentTypes())) {
      if (operand.getType() == wanted)
        continue;
      if (!memref::CastOp::areCastCompatible(operand.getType(), wanted))
        return invoke.emitOpError() << "gives " << operand.getType() << ", the kernel takes " << wanted;
      operand = builder.create<memref::CastOp>(invoke.getLoc(), wanted, operand);
    }
    builder.create<func::CallOp>(invoke.getLoc(), kernel, operands);
    kernel->setAttr(kKernelAttr, builder.getUnitAttr());
    kernel.setPrivate();
    invoke.erase();
    return success();
  }

  Value allocateScratch(OpBuilder &builder, lm::InvokeOp invoke, func::FuncOp entry) {
    Location loc = invoke.getLoc();
    ArrayRef<int64_t> scratch = invoke.getScratch(); // fixed, a token, a member
    auto times = [&](Value count, int64_t bytes) -> Value {
      return builder.create<arith::MulIOp>(loc, count, builder.create<arith::ConstantIndexOp>(loc, bytes));
    };
    Value bytes = builder.create<arith::ConstantIndexOp>(loc, scratch[0]);
    if (scratch[1])
      bytes = builder.create<arith::AddIOp>(loc, bytes,
                                            times(CallFrame(builder, loc, entry.getArgument(0)).tokens(), scratch[1]));
    if (scratch[2])
      bytes = builder.create<arith::AddIOp>(loc, bytes, times(entry.getArgument(2), scratch[2]));
    auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
    return builder.create<memref::AllocOp>(loc, type, bytes, builder.getI64IntegerAttr(64));
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeCallKernels() { return std::make_unique<CallKernels>(); }
