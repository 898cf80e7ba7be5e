// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Lets the backend wrap what its kernels will do in kv.group. Nothing else changes, and verify-state walks the groups.
struct MatchGroups : PassWrapper<MatchGroups, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MatchGroups)
  explicit MatchGroups(const Backend &backend) : backend(backend) {}
  StringRef getArgument() const override { return "match-groups"; }
  StringRef getDescription() const override { return "let the backend group what one kernel will do"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<kv::KvDialect>(); }
  void runOnOperation() override {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        backend.matchGroups(function);
  }

private:
  const Backend &backend;
};
} // namespace

std::unique_ptr<Pass> kvasir::makeMatchGroups(const Backend &backend) { return std::make_unique<MatchGroups>(backend); }
