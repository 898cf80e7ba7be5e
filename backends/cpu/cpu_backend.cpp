// SPDX-License-Identifier: MIT
// The cpu backend: kernels for x86-64 from AVX2 on.
#include "backends/cpu/cpu_backend.h"

#include "backends/cpu/cache_layout.h"
#include "backends/cpu/group_match.h"

#include "llvm/TargetParser/Host.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

llvm::Error failure(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// Best first.
std::vector<Variant> variants() {
  const std::vector<std::string> avx2 = {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt"};
  std::vector<std::string> avx2Vnni = avx2;
  avx2Vnni.push_back("avxvnni");
  std::vector<std::string> vnni = avx2;
  vnni.insert(vnni.end(), {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512vnni", "prfchw"});
  std::vector<std::string> bf16 = vnni;
  bf16.push_back("avx512bf16");
  // Processors with AMX multiply bf16 there: a vdpbf16ps takes them as long as four FMAs.
  std::vector<std::string> fma = bf16;
  fma.push_back("amx-bf16");
  return {{"avx512-fma", "x86-64-v4", fma},
          {"avx512-bf16", "x86-64-v4", bf16},
          {"avx512-vnni", "x86-64-v4", vnni},
          {"avx2-vnni", "x86-64-v3", avx2Vnni},
          {"avx2", "x86-64-v3", avx2}};
}

std::string namesOf(llvm::ArrayRef<Variant> variants) {
  std::string names;
  for (const Variant &variant : variants)
    names += variant.name + ", ";
  return names;
}

/// The variants of these names, best first; without names, the best that this machine runs.
llvm::Expected<std::vector<Variant>> choose(const std::vector<std::string> &targets) {
  std::vector<Variant> known = variants(), chosen;
  if (targets.empty() || targets == std::vector<std::string>{"native"}) {
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    for (const Variant &variant : known)
      if (llvm::all_of(variant.features, [&](const std::string &feature) { return host.lookup(feature); }))
        return std::vector<Variant>{variant};
    return failure("this machine has no AVX2; name a target");
  }
  for (const std::string &target : targets)
    if (llvm::none_of(known, [&](const Variant &variant) { return variant.name == target; }))
      return failure("target '" + target + "' is not one of " + namesOf(known) + "native");
  llvm::copy_if(known, std::back_inserter(chosen),
                [&](const Variant &variant) { return llvm::is_contained(targets, variant.name); });
  return chosen;
}

} // namespace

llvm::Expected<std::vector<Variant>> CpuBackend::configure(const BackendOptions &options) {
  llvm::Expected<std::vector<Variant>> chosen = choose(options.targets);
  if (!chosen)
    return chosen;
  auto multipliesBf16 = [](const Variant &variant) { return isaOf(variant).hasBf16; };
  Activations usual = llvm::all_of(*chosen, multipliesBf16) ? Activations::bf16 : Activations::int8;
  wanted = options.activations.value_or(usual);
  return chosen;
}

Numerics CpuBackend::numerics() const {
  switch (wanted) {
  case Activations::int8:
    return {"cpu-int8g32-units", true, wanted};
  case Activations::bf16:
    return {"cpu-bf16", true, wanted};
  case Activations::exact:
    return {"cpu-f32", true, wanted};
  }
  llvm_unreachable("no other rounding");
}

std::optional<std::string> CpuBackend::declines(Operation *op) const {
  if (auto linear = dyn_cast<lm::LinearOp>(op))
    return whyNot(linear);
  if (auto attend = dyn_cast<kv::AttendOp>(op))
    return whyNot(attend);
  if (auto route = dyn_cast<lm::RouteOp>(op))
    return whyNot(route);
  if (isa<lm::EmbeddingOp>(op))
    return std::nullopt;
  if (auto linear = dyn_cast<lm::ExpertLinearOp>(op))
    if (std::optional<std::string> reason = whyNot(linear))
      return reason;
  if (isa<kv::AppendOp, lm::ClampedSwigluOp, lm::ExpertLinearOp, lm::GegluOp, lm::MixOp, lm::RmsNormOp, lm::RopeOp,
          lm::ScaleOp, lm::SoftcapOp, lm::SwigluOp, lm::TakeOp>(op))
    return "has a kernel only as part of a group";
  return "there is no kernel for " + op->getName().getStringRef().str();
}

Layout CpuBackend::weightLayout(lm::WeightOp weight, ArrayRef<Operation *>) const {
  return cpu::weightLayout(cast<lm::WeightType>(weight.getType()), wanted);
}

Layout CpuBackend::slotLayout(kv::CacheOp cache) const {
  return cacheLayout(cache.getLayers(), cache.getHeads(), cache.getWidth(), /*isKeys=*/!cache.getValues(),
                     storedElement(cache));
}

void CpuBackend::matchGroups(func::FuncOp function) const { cpu::matchGroups(function, wanted); }

llvm::Expected<KernelSignature> CpuBackend::signature(kv::GroupOp group) const {
  return kernelSignature(group, wanted, manyRows(group));
}

LogicalResult CpuBackend::emit(const KernelRequest &request) const {
  return emitKernel(request, wanted, manyRows(request.group));
}

} // namespace kvasir::cpu
