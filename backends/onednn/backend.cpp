// SPDX-License-Identifier: MIT
// The onednn backend: cpu's, with activations in bf16 and oneDNN's products for calls of many rows.
#include "backends/cpu/cpu_backend.h"
#include "backends/onednn/panels.h"
#include "backends/onednn/runtime/gemm.h"

#include <set>

using namespace mlir;

namespace kvasir {
namespace {

using cpu::Rounding;

class OnednnBackend : public cpu::CpuBackend {
public:
  StringRef name() const override { return "onednn"; }

  llvm::Expected<std::vector<Variant>> configure(const BackendOptions &options) override {
    if (options.activations == Activations::int8)
      return llvm::createStringError("onednn rounds activations to bf16 or not at all; int8 is what cpu has");
    BackendOptions own = options;
    if (own.activations == Activations::automatic)
      own.activations = Activations::bf16;
    return CpuBackend::configure(own);
  }

  /// Many rows are summed in the library's order and, of bf16, with scaled weights rounded to bf16; few rows are not.
  Numerics numerics() const override { return {wanted == Rounding::bf16 ? "onednn-bf16" : "onednn-f32", false}; }

  std::vector<Service> services(ModuleOp program) const override {
    std::set<int64_t> depths;
    program.walk([&](lm::LinearOp linear) {
      if (!declines(linear))
        depths.insert(linear.getWeight().getType().getNumColumns());
    });
    if (depths.empty())
      return {};
    std::string needs = wanted == Rounding::bf16 ? "bf16" : "f32";
    for (int64_t depth : depths)
      needs += " " + std::to_string(depth) + "x" + std::to_string(onednn::widestPanel(depth, sizeof(float)));
    return {{ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, needs, CpuBackend::numerics()}};
  }

private:
  const cpu::ManyRows *manyRows() const override { return &panelRows; }

  const onednn::PanelRows panelRows;
};

} // namespace
} // namespace kvasir

#pragma clang diagnostic ignored "-Wreturn-type-c-linkage" // the border is between C++ of one build
/// Found by the driver under the name KVASIR_BACKEND_SYMBOL.
extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<kvasir::OnednnBackend>();
}
