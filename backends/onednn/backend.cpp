// SPDX-License-Identifier: MIT
// The onednn backend: cpu's, with activations in bf16 and oneDNN's products for calls of many rows.
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/group_match.h"
#include "backends/cpu/kernels.h"
#include "backends/onednn/panels.h"
#include "backends/onednn/runtime/gemm.h"

#include <set>

using namespace mlir;

namespace kvasir {
namespace {

class OnednnBackend : public cpu::CpuBackend {
public:
  StringRef name() const override { return "onednn"; }

  llvm::Expected<std::vector<Variant>> configure(const BackendOptions &options) override {
    if (options.activations == Activations::int8)
      return llvm::createStringError("onednn rounds activations to bf16 or not at all; int8 is what cpu has");
    BackendOptions own = options;
    if (!own.activations)
      own.activations = Activations::bf16;
    llvm::Expected<std::vector<Variant>> chosen = CpuBackend::configure(own);
    if (chosen)
      pairs = wanted == Activations::bf16 &&
              llvm::any_of(*chosen, [](const Variant &variant) { return cpu::isaOf(variant).hasBf16; });
    return chosen;
  }

  /// Many rows are summed in the library's order and, of bf16, with scaled weights rounded to bf16; few rows are not.
  Numerics numerics() const override {
    return {wanted == Activations::bf16 ? "onednn-bf16" : "onednn-f32", false, CpuBackend::numerics().activations};
  }

  std::vector<Service> services(ModuleOp program) const override {
    std::set<int64_t> depths;
    program.walk([&](lm::LinearOp linear) {
      if (!declines(linear) && gains(linear))
        depths.insert(linear.getWeight().getType().getNumColumns());
    });
    if (depths.empty())
      return {};
    std::string needs = wanted == Activations::bf16 ? "bf16" : "f32";
    for (int64_t depth : depths)
      needs += " " + std::to_string(depth) + "x" + std::to_string(onednn::widestPanel(depth, sizeof(float)));
    return {{ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, needs, CpuBackend::numerics()}};
  }

private:
  /// A kernel that has nothing of the service's is cpu's own, to the instruction.
  const cpu::ManyRows *manyRows(kv::GroupOp group) const override {
    bool all = true;
    group.walk([&](lm::LinearOp linear) { all &= gains(linear); });
    return all ? &panelRows : nullptr;
  }

  bool gains(lm::LinearOp linear) const {
    return pairs || onednn::gainsInF32(*cpu::weightFormat(linear.getWeight().getType(), wanted));
  }

  const onednn::PanelRows panelRows;
  bool pairs = false; ///< some variant has panels in bf16
};

} // namespace
} // namespace kvasir

/// Found by the driver under the name KVASIR_BACKEND_SYMBOL.
extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<kvasir::OnednnBackend>();
}
