// SPDX-License-Identifier: MIT
#include "compiler/passes/group_operands.h"
#include "compiler/passes/group_ops.h"
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
    SmallVector<Outlined> groups;
    getOperation().walk([&](kv::GroupOp group) { groups.emplace_back().group = group; });
    llvm::erase_if(groups, [&](Outlined &each) { return !readSignature(each); });
    for (auto [i, each] : llvm::enumerate(groups)) {
      auto before = ArrayRef(groups).take_front(i);
      const auto *twin = llvm::find_if(before, [&](const Outlined &other) { return isSameWork(other, each); });
      each.first = twin - groups.begin();
    }
    for (Outlined &each : groups)
      if (failed(outline(each, groups[each.first].kernel)))
        return signalPassFailure();
  }

private:
  /// A group on its way to a kernel.
  struct Outlined {
    kv::GroupOp group;
    KernelSignature signature;
    std::optional<int64_t> rows; ///< where the function is specialised for them
    size_t first = 0;            ///< the first of the groups that do the same, whose kernel serves them all
    func::FuncOp kernel;         ///< of that first one
  };

  /// False if the backend declines: then the group is its body.
  bool readSignature(Outlined &outlined) {
    kv::GroupOp group = outlined.group;
    llvm::Expected<KernelSignature> signature = backend.signature(group);
    if (!signature) {
      group.emitRemark("declined: ") << llvm::toString(signature.takeError());
      inlineGroup(group);
      return false;
    }
    outlined.signature = *signature;
    if (Value batch = batchOf(group))
      outlined.rows = kv::knownOf(batch, "kv.tokens");
    sinkSelects(group);
    return true;
  }

  /// Whether one kernel can do both: the same ops, on operands in the same order.
  static bool isSameWork(const Outlined &one, const Outlined &other) {
    kv::GroupOp first = one.group, second = other.group;
    SmallVector<Value> operands = groupOperands(first), others = groupOperands(second);
    if (first.getKernel() != second.getKernel() || one.rows != other.rows ||
        TypeRange(ValueRange(operands)) != TypeRange(ValueRange(others)))
      return false;
    llvm::DenseMap<Value, Value> known;
    for (auto [operand, twin] : llvm::zip_equal(operands, others))
      known[operand] = twin;
    auto check = [&](Value operand, Value twin) {
      if (Value expected = known.lookup(operand))
        return success(expected == twin);
      return success(operand.getType() == twin.getType()); // a slot or the batch: there is one of each
    };
    auto mark = [&](Value result, Value twin) { known[result] = twin; };
    return OperationEquivalence::isRegionEquivalentTo(&first.getBody(), &second.getBody(), check, mark,
                                                      OperationEquivalence::IgnoreLocations);
  }

  LogicalResult outline(Outlined &each, func::FuncOp kernel) {
    SmallVector<Value> operands = groupOperands(each.group);
    if (!kernel) {
      kernel = each.kernel = declareKernel(each.group, operands);
      if (failed(backend.emit({each.group, operands, kernel, variant, each.rows})))
        return each.group.emitError() << backend.name() << " does not emit " << each.group.getKernel();
    }
    return replaceByInvoke(each.group, operands, kernel, each.signature);
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

  static Value batchOf(kv::GroupOp group) { return kv::batchOf(group->getParentOfType<func::FuncOp>().getArguments()); }

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
