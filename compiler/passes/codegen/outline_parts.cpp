// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace kvasir;

namespace {
unsigned numLoops(Operation *op) {
  unsigned count = 0;
  op->walk([&](scf::ForOp) { ++count; });
  return count;
}

/// Cuts entries of many loops into functions.
///
///     scf.if (member == 0) { loops }     =>   scf.if (member == 0) { call @f.part.0(…) }
///
/// LLVM's loop passes ask about all blocks of a function for each of its loops: an imported program of 30 layers, whose
/// loops are all in one function, takes them minutes. What member 0 does alone (kvasir.alone) and holds a loop becomes
/// a private function of what it uses, constants within it, which is not inlined. Entries of fewer than `fewest` loops
/// are left alone.
struct OutlineParts : PassWrapper<OutlineParts, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(OutlineParts)
  OutlineParts() = default;
  OutlineParts(const OutlineParts &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "outline-parts"; }
  StringRef getDescription() const override { return "cut entries of many loops into functions"; }
  void runOnOperation() override {
    SmallVector<scf::IfOp> parts;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (isEntry(function) && numLoops(function) >= fewest)
        function.walk([&](scf::IfOp op) {
          if (op->hasAttr(kAloneAttr) && numLoops(op) > 0)
            parts.push_back(op);
        });
    for (auto [number, part] : llvm::enumerate(parts))
      outline(part, number);
  }

private:
  Option<unsigned> fewest{*this, "fewest", llvm::cl::desc("loops of an entry from which on it is cut"),
                          llvm::cl::init(128)};

  void outline(scf::IfOp part, size_t number) {
    SetVector<Value> captured;
    getUsedValuesDefinedAbove(part.getThenRegion(), captured);
    SmallVector<Value> constants, operands;
    for (Value value : captured)
      (matchPattern(value, m_Constant()) ? constants : operands).push_back(value);

    auto builder = OpBuilder::atBlockEnd(getOperation().getBody());
    auto entry = part->getParentOfType<func::FuncOp>();
    auto function = builder.create<func::FuncOp>(part.getLoc(), (entry.getName() + ".part." + Twine(number)).str(),
                                                 builder.getFunctionType(ValueRange(operands).getTypes(), {}));
    function.setPrivate();
    function->setAttr("passthrough", builder.getStrArrayAttr({"noinline"}));

    Block *inside = part.thenBlock(), *body = function.addEntryBlock();
    builder.setInsertionPoint(inside->getTerminator());
    auto call = builder.create<func::CallOp>(part.getLoc(), function, operands);
    body->getOperations().splice(body->end(), inside->getOperations(), inside->begin(), call->getIterator());
    builder.setInsertionPointToStart(body);
    for (auto [operand, argument] : llvm::zip_equal(operands, function.getArguments()))
      replaceAllUsesInRegionWith(operand, argument, function.getBody());
    for (Value constant : constants)
      replaceAllUsesInRegionWith(constant, builder.clone(*constant.getDefiningOp())->getResult(0), function.getBody());
    builder.setInsertionPointToEnd(body);
    builder.create<func::ReturnOp>(part.getLoc());
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeOutlineParts() { return std::make_unique<OutlineParts>(); }
