// SPDX-License-Identifier: MIT
#include "backends/backend.h"

#include "compiler/packing/plan_weights.h"
#include "plugins/include/kvasir/plugin.h"

using namespace kvasir;

namespace {
class ReferenceBackend : public Backend {
public:
  llvm::StringRef name() const override { return "reference"; }

  llvm::Expected<std::vector<Variant>> configure(const BackendOptions &options) override {
    if (options.activations != Activations::automatic && options.activations != Activations::exact)
      return llvm::createStringError("reference rounds no activation; take --activations exact or auto");
    for (const std::string &target : options.targets)
      if (target != kVariant.name && target != "native")
        return llvm::createStringError("reference has no target '%s'; it has avx2", target.c_str());
    return std::vector<Variant>{kVariant};
  }

  Numerics numerics() const override { return {"f32", true}; }

  std::optional<std::string> declines(mlir::Operation *) const override {
    return "reference takes no op: it is each op's own decomposition";
  }

  Layout weightLayout(lm::WeightOp weight, llvm::ArrayRef<mlir::Operation *>) const override {
    return plainLayout(mlir::cast<lm::WeightType>(weight.getType()));
  }

  Layout slotLayout(kv::CacheOp cache) const override {
    Plane plane{PlaneRole::value, ElementType::f32, 0, {}};
    std::pair<Axis, uint64_t> axes[] = {{Axis::lane, cache.getWidth()},
                                        {Axis::token, KV_BLOCK_TOKENS},
                                        {Axis::head, cache.getHeads()},
                                        {Axis::layer, cache.getLayers()}};
    uint64_t strideBits = elementBits(plane.element);
    for (auto [axis, extent] : axes) {
      plane.digits.push_back({axis, extent, strideBits});
      strideBits *= extent;
    }
    return {strideBits / 8, {plane}};
  }

  void matchGroups(mlir::func::FuncOp) const override {}

  llvm::Expected<KernelSignature> signature(kv::GroupOp) const override {
    return llvm::createStringError("reference has no kernels");
  }

  mlir::LogicalResult emit(const KernelRequest &request) const override {
    return mlir::emitError(mlir::func::FuncOp(request.function).getLoc(), "reference has no kernels");
  }

private:
  inline static const Variant kVariant{"avx2", "x86-64-v3", {"avx2", "bmi2", "f16c", "fma"}};
};
} // namespace

extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<ReferenceBackend>();
}
