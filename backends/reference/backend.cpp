// SPDX-License-Identifier: MIT
#include "backends/backend.h"

#include "plugins/include/kvasir/plugin.h"

using namespace kvasir;

namespace {
/// What a plane of the weight's codes, scales or mins holds.
ElementType elementOf(mlir::Type type) {
  if (type.isF16())
    return ElementType::f16;
  if (type.isBF16())
    return ElementType::bf16;
  if (type.isF32())
    return ElementType::f32;
  switch (type.getIntOrFloatBitWidth()) {
  case 4:
    return ElementType::u4;
  case 5:
    return ElementType::u5;
  case 6:
    return ElementType::u6;
  default:
    return ElementType::i8;
  }
}

/// Planes one after another, each row-major, each begun on a multiple of 64 bytes.
class RowMajor {
public:
  explicit RowMajor(uint64_t rows) : rows(rows) {}

  /// `columns` elements a row, each for `group` columns of the weight.
  void addPlane(PlaneRole role, ElementType element, uint64_t columns, uint64_t group) {
    uint64_t bits = elementBits(element);
    Plane plane{role, element, layout.sizeBytes * 8, {}};
    if (group > 1)
      plane.digits.push_back({Axis::column, group, 0});
    plane.digits.push_back({Axis::column, columns, bits});
    plane.digits.push_back({Axis::row, rows, columns * bits});
    layout.planes.push_back(plane);
    layout.sizeBytes = llvm::alignTo(layout.sizeBytes + llvm::divideCeil(rows * columns * bits, 8), 64);
  }

  Layout layout;

private:
  uint64_t rows;
};

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
    auto type = mlir::cast<lm::WeightType>(weight.getType());
    uint64_t columns = type.getNumColumns(), groups = type.isGrouped() ? columns / type.getGroup() : 0;
    RowMajor planes(type.getNumRows());
    planes.addPlane(type.isGrouped() ? PlaneRole::code : PlaneRole::value, elementOf(type.getCodes()), columns, 1);
    if (type.isGrouped())
      planes.addPlane(PlaneRole::scale, elementOf(type.getScale()), groups, type.getGroup());
    if (type.getMin())
      planes.addPlane(PlaneRole::min, elementOf(type.getMin()), groups, type.getGroup());
    return planes.layout;
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
