// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Turns copies of memrefs with a layout into linalg.generic. Upstream makes them calls of a run-time library that a
/// plugin hasn't; copies between identity layouts stay, they become memcpy.
struct CopyByLoops : PassWrapper<CopyByLoops, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CopyByLoops)
  StringRef getArgument() const override { return "copy-by-loops"; }
  StringRef getDescription() const override { return "turn copies that are not of contiguous memory into loops"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<linalg::LinalgDialect>(); }
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation().walk([&](memref::CopyOp copy) { copies.push_back(copy); });
    for (memref::CopyOp copy : copies) {
      if (isContiguous(copy.getSource()) && isContiguous(copy.getTarget()))
        continue;
      OpBuilder builder(copy);
      linalg::makeMemRefCopyOp(builder, copy.getLoc(), copy.getSource(), copy.getTarget());
      copy.erase();
    }
  }

private:
  static bool isContiguous(Value memref) {
    auto type = dyn_cast<MemRefType>(memref.getType());
    return type && type.getLayout().isIdentity();
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeCopyByLoops() { return std::make_unique<CopyByLoops>(); }
