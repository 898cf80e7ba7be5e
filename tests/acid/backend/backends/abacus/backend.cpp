// SPDX-License-Identifier: MIT
// The backend abacus: lm.squared_relu, whose rows the members of the team share.
#include "backends/backend.h"

#include "compiler/dialects/lm/emit.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace {

/// One operation after the other, as in the op's decomposition.
Value emitElement(ImplicitLocOpBuilder &b, Value x) {
  Value positive = b.create<arith::MaximumFOp>(x, kvasir::lm::emitF32(b, 0));
  return b.create<arith::MulFOp>(positive, positive);
}

class AbacusBackend : public kvasir::Backend {
public:
  llvm::StringRef name() const override { return "abacus"; }

  kvasir::Numerics numerics() const override { return {"f32", true}; } // reference's bits

  std::optional<std::string> declines(Operation *op) const override {
    if (isa<kvasir::lm::SquaredReluOp>(op))
      return std::nullopt;
    return "abacus has a kernel for lm.squared_relu alone";
  }

  /// Arguments: call, member, members, input [T, F], result [T, F].
  LogicalResult emit(const kvasir::KernelRequest &request) const override {
    func::FuncOp kernel = request.function;
    ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
    b.setInsertionPointToStart(kernel.addEntryBlock());
    Value input = kernel.getArgument(3), result = kernel.getArgument(4);
    Value zero = kvasir::lm::emitIndex(b, 0), one = kvasir::lm::emitIndex(b, 1);
    Value numRows = b.create<memref::DimOp>(input, 0), numColumns = b.create<memref::DimOp>(input, 1);
    auto rows = b.create<scf::ForOp>(kernel.getArgument(1), numRows, kernel.getArgument(2));
    b.setInsertionPointToStart(rows.getBody());
    auto columns = b.create<scf::ForOp>(zero, numColumns, one);
    b.setInsertionPointToStart(columns.getBody());
    Value at[] = {rows.getInductionVar(), columns.getInductionVar()};
    Value element = emitElement(b, b.create<memref::LoadOp>(input, at));
    b.create<memref::StoreOp>(element, result, at);
    b.setInsertionPointToEnd(&kernel.front());
    b.create<func::ReturnOp>();
    return success();
  }
};

} // namespace

extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<AbacusBackend>();
}
