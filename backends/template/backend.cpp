// SPDX-License-Identifier: MIT
// The backend template: takes no op yet, and so runs every model by the decompositions of its ops.
#include "backends/backend.h"

#include "compiler/passes/call_frame.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace {
class TemplateBackend : public kvasir::Backend {
public:
  llvm::StringRef name() const override { return "template"; }

  /// Backends of one id give the same bits. This is reference's; take a name of your own once a kernel rounds
  /// otherwise.
  kvasir::Numerics numerics() const override { return {"f32", true}; }

  std::optional<std::string> declines(Operation *op) const override {
    return "there is no kernel for " + op->getName().getStringRef().str();
  }
};
} // namespace

extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<TemplateBackend>();
}
