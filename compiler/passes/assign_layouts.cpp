// SPDX-License-Identifier: MIT
#include "compiler/passes/passes.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// Writes on each kv.cache of the schema how the backend stores its rows: `lm.layout`. Layouts that are there stay.
/// Weights get theirs when they are packed.
struct AssignLayouts : PassWrapper<AssignLayouts, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AssignLayouts)
  explicit AssignLayouts(const Backend &backend) : backend(backend) {}
  StringRef getArgument() const override { return "assign-layouts"; }
  StringRef getDescription() const override { return "write down how the backend stores each cache"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<lm::LmDialect>(); }
  void runOnOperation() override {
    getOperation().walk([&](kv::CacheOp cache) {
      if (!cache->hasAttr(kLayoutAttr))
        cache->setAttr(kLayoutAttr, lm::LayoutAttr::get(&getContext(), backend.slotLayout(cache)));
    });
  }

private:
  const Backend &backend;
};
} // namespace

std::unique_ptr<Pass> kvasir::makeAssignLayouts(const Backend &backend) {
  return std::make_unique<AssignLayouts>(backend);
}
