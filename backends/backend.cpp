// SPDX-License-Identifier: MIT
// What a backend that says nothing else does.
#include "backends/backend.h"

#include "compiler/packing/plan_weights.h"
#include "compiler/passes/element_type.h"
#include "compiler/passes/group_ops.h"
#include "plugins/include/kvasir/plugin.h"

using namespace kvasir;

llvm::Expected<std::vector<Variant>> Backend::configure(const BackendOptions &options) {
  const Variant variant{"avx2", "x86-64-v3", {"avx2", "bmi2", "f16c", "fma"}};
  std::string own = name().str();
  if (options.activations.value_or(Activations::exact) != Activations::exact)
    return llvm::createStringError("%s rounds no activation; take --activations exact or auto", own.c_str());
  for (const std::string &target : options.targets)
    if (target != variant.name && target != "native")
      return llvm::createStringError("%s has no target '%s'; it has avx2", own.c_str(), target.c_str());
  return std::vector<Variant>{variant};
}

std::vector<Service> Backend::services(mlir::ModuleOp) const { return {}; }

Layout Backend::weightLayout(lm::WeightOp weight, llvm::ArrayRef<mlir::Operation *>) const {
  return plainLayout(mlir::cast<lm::WeightType>(weight.getType()));
}

Layout Backend::slotLayout(kv::CacheOp cache) const {
  std::optional<mlir::Type> rounds = cache.getRounds();
  Plane plane{PlaneRole::value, rounds ? elementOf(*rounds).value_or(ElementType::f32) : ElementType::f32, 0, {}};
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

void Backend::matchGroups(mlir::func::FuncOp function) const {
  llvm::SmallVector<mlir::Operation *> taken;
  function.walk([&](mlir::Operation *op) {
    if (mlir::isa<lm::Decomposes, kv::AppendOp, kv::AttendOp>(op) && !isGrouped(op) && !declines(op))
      taken.push_back(op);
  });
  for (mlir::Operation *op : taken)
    tryGroup((name() + "." + op->getName().stripDialect()).str(), op);
}

llvm::Expected<KernelSignature> Backend::signature(kv::GroupOp group) const {
  return KernelSignature{std::vector<int>(group.getNumResults(), -1), {}};
}

llvm::LogicalResult Backend::emit(const KernelRequest &request) const {
  return kv::GroupOp(request.group).emitOpError("has a kernel that ")
         << name() << " does not emit: " << kv::GroupOp(request.group).getKernel();
}
