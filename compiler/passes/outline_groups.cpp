// SPDX-License-Identifier: MIT
#include "compiler/passes/group_operands.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/row_extent.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace kvasir;

SmallVector<Value> kvasir::groupOperands(kv::GroupOp group) {
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(group.getBody(), captured);
  SmallVector<Value> operands;
  for (Value value : captured)
    if (isa<RankedTensorType, IndexType>(value.getType()))
      operands.push_back(value);
  return operands;
}

namespace {
/// Turns each group into a kernel of the backend's and an lm.invoke.
///
///     %y, %k1 = kv.group {kernel = "cpu.qkv"} -> tensor<?x96xf32>, !kv.slot<@k> { … kv.append … }
///  => %y = lm.invoke @cpu.qkv.0(%layer, %x : …) outs(%empty : tensor<?x96xf32>) {scratch = …} -> tensor<?x96xf32>
///
/// The kernel's function has the arguments that backend.h says and a body that the backend emits while the group is
/// still there. A slot that the group made is the one that it took from here on; what happened to it is in the effects
/// of lm.invoke. A group that the backend declines after all becomes its body. Refuses what the backend can't emit.
struct OutlineGroups : PassWrapper<OutlineGroups, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OutlineGroups)
  OutlineGroups(const Backend &backend, const Variant &variant) : backend(backend), variant(variant) {}
  StringRef getArgument() const override { return "outline-groups"; }
  StringRef getDescription() const override { return "turn groups into kernels and calls of them"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    // The last four are what backends emit kernels in, besides LLVM's and memref.
    registry.insert<kv::KvDialect, lm::LmDialect, LLVM::LLVMDialect, memref::MemRefDialect, tensor::TensorDialect,
                    arith::ArithDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
  }
  void runOnOperation() override {
    SmallVector<kv::GroupOp> groups;
    getOperation().walk([&](kv::GroupOp group) { groups.push_back(group); });
    for (kv::GroupOp group : groups)
      if (failed(outline(group)))
        return signalPassFailure();
  }

private:
  LogicalResult outline(kv::GroupOp group) {
    llvm::Expected<KernelSignature> signature = backend.signature(group);
    if (!signature) {
      group.emitRemark("declined: ") << llvm::toString(signature.takeError());
      return inlineBody(group), success();
    }
    sinkSelects(group);
    SmallVector<Value> operands = groupOperands(group);
    func::FuncOp kernel = declareKernel(group, operands);
    std::optional<int64_t> rows;
    if (Value batch = batchOf(group))
      rows = kv::knownOf(batch, "kv.tokens");
    if (failed(backend.emit({group, operands, kernel, variant, rows})))
      return failure();
    return replaceByInvoke(group, operands, kernel, *signature);
  }

  static void inlineBody(kv::GroupOp group) {
    Block *body = &group.getBody().front();
    Operation *yield = body->getTerminator();
    group->getBlock()->getOperations().splice(group->getIterator(), body->getOperations(), body->begin(),
                                              yield->getIterator());
    group->replaceAllUsesWith(yield->getOperands());
    group->erase();
  }

  /// Weights are reached through the call: what a kernel needs is the layer's number, so that is what must be captured.
  static void sinkSelects(kv::GroupOp group) {
    OpBuilder builder = OpBuilder::atBlockBegin(&group.getBody().front());
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(group.getBody(), captured);
    for (Value value : captured)
      if (auto select = value.getDefiningOp<lm::SelectOp>()) {
        Value inside = builder.clone(*select)->getResult(0);
        replaceAllUsesInRegionWith(value, inside, group.getBody());
      }
  }

  static Type memrefOf(Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor ? MemRefType::get(tensor.getShape(), tensor.getElementType()) : type;
  }

  func::FuncOp declareKernel(kv::GroupOp group, ArrayRef<Value> operands) {
    Builder attributes(&getContext());
    Type index = attributes.getIndexType();
    SmallVector<Type> types{LLVM::LLVMPointerType::get(&getContext()), index, index};
    for (Value operand : operands)
      types.push_back(memrefOf(operand.getType()));
    for (Type type : group.getResultTypes())
      if (isa<RankedTensorType>(type))
        types.push_back(memrefOf(type));
    types.push_back(MemRefType::get({ShapedType::kDynamic}, attributes.getI8Type()));
    std::string name = (group.getKernel() + "." + Twine(numKernels++)).str();
    auto builder = OpBuilder::atBlockEnd(getOperation().getBody());
    auto kernel = builder.create<func::FuncOp>(group.getLoc(), name, builder.getFunctionType(types, {}));
    kernel.setPrivate();
    return kernel;
  }

  static Value batchOf(kv::GroupOp group) {
    return kv::batchOf(group->getParentOfType<func::FuncOp>().getArguments());
  }

  LogicalResult replaceByInvoke(kv::GroupOp group, ArrayRef<Value> operands, func::FuncOp kernel,
                                const KernelSignature &signature) {
    ImplicitLocOpBuilder builder(group.getLoc(), group);
    Operation *yield = group.getBody().front().getTerminator();
    SmallVector<Value> outs;
    for (auto [i, result] : llvm::enumerate(group.getResults())) {
      if (!isa<RankedTensorType>(result.getType()))
        continue;
      int source = i < signature.inPlace.size() ? signature.inPlace[i] : -1;
      outs.push_back(source >= 0 ? operands[source]
                                 : emitEmptyRows(builder, result.getType(), yield->getOperand(i), batchOf(group)));
    }
    const KernelScratch &scratch = signature.scratch;
    auto invoke = builder.create<lm::InvokeOp>(
        TypeRange(ValueRange(outs)), FlatSymbolRefAttr::get(kernel), operands, outs,
        builder.getDenseI64ArrayAttr({scratch.fixedBytes, scratch.bytesPerRow, scratch.bytesPerMember}));
    SmallVector<Value> replacements;
    unsigned numTensors = 0;
    for (auto [result, yielded] : llvm::zip_equal(group.getResults(), yield->getOperands())) {
      Value value =
          isa<RankedTensorType>(result.getType()) ? invoke.getResult(numTensors++) : slotBefore(group, yielded);
      if (!value)
        return group.emitOpError("yields a ") << result.getType() << " that a kernel can't";
      replacements.push_back(value);
    }
    group->replaceAllUsesWith(replacements);
    group->erase();
    return success();
  }

  /// The version of a slot that the group took, found back from the one that it yields.
  static Value slotBefore(kv::GroupOp group, Value slot) {
    while (isa<kv::SlotType>(slot.getType()) && slot.getDefiningOp() && group->isProperAncestor(slot.getDefiningOp())) {
      Operation *op = slot.getDefiningOp();
      auto taken = llvm::find_if(op->getOperands(), [&](Value v) { return v.getType() == slot.getType(); });
      if (taken == op->operand_end())
        return {};
      slot = *taken;
    }
    return isa<kv::SlotType>(slot.getType()) ? slot : Value();
  }

  const Backend &backend;
  const Variant &variant;
  unsigned numKernels = 0;
};
} // namespace

std::unique_ptr<Pass> kvasir::makeOutlineGroups(const Backend &backend, const Variant &variant) {
  return std::make_unique<OutlineGroups>(backend, variant);
}
