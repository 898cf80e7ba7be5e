// SPDX-License-Identifier: MIT
#include "compiler/passes/call_frame.h"
#include "compiler/passes/codegen/passes.h"
#include "compiler/passes/extents.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace kvasir;

bool kvasir::isEntry(func::FuncOp function) {
  return function.isPublic() && !function.isExternal() && !function.getName().ends_with(kScratchSuffix) &&
         !function.getName().ends_with(kCheckSuffix);
}

namespace {
/// Lets an entry find its tensors by itself.
///
/// Before: (%call, %member, %members, memrefs…). After: (%call, %member, %members); each tensor is a memref made of the
/// address that the call gives and of its extents by their letters (extents.h), so that every extent of the function is
/// a number of the call. What is made of an input's address is marked kv.input. Refuses: a memref with a layout.
struct BindArguments : PassWrapper<BindArguments, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BindArguments)
  StringRef getArgument() const override { return "bind-arguments"; }
  StringRef getDescription() const override { return "let entries find their tensors through the call"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect>();
  }
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (isEntry(function) && failed(bind(function)))
      signalPassFailure();
  }

private:
  static constexpr unsigned kNumOwn = 3; // call, member, members

  LogicalResult bind(func::FuncOp function) {
    if (function.getNumArguments() < kNumOwn || !isa<LLVM::LLVMPointerType>(function.getArgument(0).getType()))
      return function.emitOpError("is public but takes no call");
    OpBuilder builder(function.getContext());
    builder.setInsertionPointToStart(&function.front());
    unsigned numInputs = 0, numOutputs = 0;
    for (unsigned i = kNumOwn; i < function.getNumArguments(); ++i) {
      bool isOutput = static_cast<bool>(function.getArgAttr(i, kOutputAttr));
      if (failed(bindOne(builder, function, i, isOutput, isOutput ? numOutputs++ : numInputs++)))
        return failure();
    }
    llvm::BitVector bound(function.getNumArguments());
    bound.set(kNumOwn, function.getNumArguments());
    function.eraseArguments(bound);
    return success();
  }

  LogicalResult bindOne(OpBuilder &builder, func::FuncOp function, unsigned i, bool isOutput, unsigned index) {
    BlockArgument argument = function.getArgument(i);
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type || !type.getLayout().isIdentity())
      return function.emitOpError("argument ")
             << i << " of type " << argument.getType() << ", expected a memref of identity layout";
    CallFrame frame(builder, argument.getLoc(), function.getArgument(0));
    SmallVector<Value> sizes, extents; // of dynamic dimensions, of all
    for (char letter : extentsOf(type, function.getArgAttrDict(i), isOutput ? 'W' : 'T')) {
      extents.push_back(letter ? emitExtent(builder, argument.getLoc(), function.getArgument(0), letter) : Value());
      if (letter)
        sizes.push_back(extents.back());
    }
    Value pointer = isOutput ? frame.output(index) : frame.input(index);
    Value memref = emitMemref(builder, argument.getLoc(), type, pointer, sizes);
    if (!isOutput)
      memref.getDefiningOp()->setAttr(kInputAttr, builder.getUnitAttr());
    replaceExtents(argument, extents);
    argument.replaceAllUsesWith(memref);
    return success();
  }

  /// Whoever asks for the extent gets the call's number, not a field of a descriptor.
  static void replaceExtents(Value memref, ArrayRef<Value> extents) {
    for (Operation *user : llvm::make_early_inc_range(memref.getUsers())) {
      auto dim = dyn_cast<memref::DimOp>(user);
      std::optional<int64_t> number = dim ? dim.getConstantIndex() : std::nullopt;
      if (!number || *number >= int64_t(extents.size()) || !extents[*number])
        continue;
      dim.replaceAllUsesWith(extents[*number]);
      dim.erase();
    }
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeBindArguments() { return std::make_unique<BindArguments>(); }
