// SPDX-License-Identifier: MIT
#include "compiler/passes/element_type.h"
#include "compiler/passes/passes.h"

using namespace mlir;
using namespace kvasir;

namespace {
/// How a register's numbers are stored: as tensors' are, but for i64, which no state has.
std::optional<ElementType> registerElement(Type type) {
  std::optional<ElementType> element = elementOf(type);
  return element == ElementType::i64 ? std::nullopt : element;
}

/// A register's elements as they are, layer after layer in row-major order; no backend asks for anything else.
Layout registerLayout(kv::RegisterOp slot) {
  auto content = cast<RankedTensorType>(slot.getContent());
  Type type = content.getElementType();
  ElementType element = *registerElement(type);
  uint64_t lanes = content.getNumElements(), bits = elementBits(element), layers = slot.getLayers();
  return {lanes * layers * bits / 8,
          {{PlaneRole::value, element, 0, {{Axis::lane, lanes, bits}, {Axis::layer, layers, lanes * bits}}}}};
}

/// Writes on each kv.cache of the schema how the backend stores its rows, and on each kv.register how its elements lie:
/// `lm.layout`. Layouts that are there stay. Weights get theirs when they are packed. Refuses registers of anything but
/// f32, f16, bf16, i8 and i32.
struct AssignLayouts : PassWrapper<AssignLayouts, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(AssignLayouts)
  explicit AssignLayouts(const Backend &backend) : backend(backend) {}
  StringRef getArgument() const override { return "assign-layouts"; }
  StringRef getDescription() const override { return "write down how the backend stores each slot"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<lm::LmDialect>(); }
  void runOnOperation() override {
    getOperation().walk([&](kv::CacheOp cache) {
      if (!cache->hasAttr(kLayoutAttr))
        cache->setAttr(kLayoutAttr, lm::LayoutAttr::get(&getContext(), backend.slotLayout(cache)));
    });
    getOperation().walk([&](kv::RegisterOp slot) {
      Type element = cast<RankedTensorType>(slot.getContent()).getElementType();
      if (!registerElement(element)) {
        slot.emitOpError("holds ") << slot.getContent() << ", expected elements of f32, f16, bf16, i8 or i32";
        signalPassFailure();
      } else if (!slot->hasAttr(kLayoutAttr)) {
        slot->setAttr(kLayoutAttr, lm::LayoutAttr::get(&getContext(), registerLayout(slot)));
      }
    });
  }

private:
  const Backend &backend;
};
} // namespace

std::unique_ptr<Pass> kvasir::makeAssignLayouts(const Backend &backend) {
  return std::make_unique<AssignLayouts>(backend);
}
