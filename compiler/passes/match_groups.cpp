// SPDX-License-Identifier: MIT
#include "compiler/passes/group_operands.h"
#include "compiler/passes/group_ops.h"
#include "compiler/passes/passes.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Whether a function takes no tokens: its rows are extents of its own. Kernels count rows by the call's tokens.
bool takesNoTokens(func::FuncOp function) {
  BlockArgument batch = kv::batchOf(function.getArguments());
  return batch && kv::knownOf(batch, "kv.tokens") == 0;
}

/// Whether a tensor of the group has a number of rows of its own.
bool hasOwnRows(kv::GroupOp group) {
  auto isOwn = [](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getRank() > 1 && !type.isDynamicDim(0);
  };
  return llvm::any_of(groupOperands(group), isOwn) || llvm::any_of(group->getResults(), isOwn);
}

/// Lets the backend wrap what its kernels will do in kv.group. Nothing else changes, and verify-state walks the groups.
/// Leaves alone functions that take no tokens, and ops on rows whose number is not the call's.
struct MatchGroups : PassWrapper<MatchGroups, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MatchGroups)
  explicit MatchGroups(const Backend &backend) : backend(backend) {}
  StringRef getArgument() const override { return "match-groups"; }
  StringRef getDescription() const override { return "let the backend group what one kernel will do"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<kv::KvDialect>(); }
  void runOnOperation() override {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && !takesNoTokens(function)) {
        backend.matchGroups(function);
        function.walk([](kv::GroupOp group) {
          if (hasOwnRows(group))
            inlineGroup(group);
        });
      }
  }

private:
  const Backend &backend;
};
} // namespace

std::unique_ptr<Pass> kvasir::makeMatchGroups(const Backend &backend) { return std::make_unique<MatchGroups>(backend); }
