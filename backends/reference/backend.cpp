// SPDX-License-Identifier: MIT
#include "backends/backend.h"

namespace {
class ReferenceBackend : public kvasir::Backend {
public:
  llvm::StringRef name() const override { return "reference"; }

  kvasir::Numerics numerics() const override { return {"f32", true}; }

  std::optional<std::string> declines(mlir::Operation *) const override {
    return "reference takes no op: it is each op's own decomposition";
  }
};
} // namespace

extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<ReferenceBackend>();
}
