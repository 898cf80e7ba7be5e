// SPDX-License-Identifier: MIT
// The backend abacus: lm.geglu, whose rows the members of the team share.
#include "backends/backend.h"

#include "compiler/dialects/lm/emit.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace {

/// up * gelu(gate), one operation after the other as in the op's decomposition.
Value emitElement(ImplicitLocOpBuilder &b, Value gate, Value up) {
  Value one = kvasir::lm::emitF32(b, 1);
  Value cubic = b.create<arith::MulFOp>(kvasir::lm::emitF32(b, 0.044715f), b.create<arith::MulFOp>(gate, gate));
  Value bent = b.create<arith::MulFOp>(gate, b.create<arith::AddFOp>(one, cubic));
  Value tanh = b.create<math::TanhOp>(b.create<arith::MulFOp>(kvasir::lm::emitF32(b, 0.7978845608f), bent));
  Value half = b.create<arith::MulFOp>(kvasir::lm::emitF32(b, 0.5f), gate);
  return b.create<arith::MulFOp>(b.create<arith::MulFOp>(half, b.create<arith::AddFOp>(one, tanh)), up);
}

class AbacusBackend : public kvasir::Backend {
public:
  llvm::StringRef name() const override { return "abacus"; }

  kvasir::Numerics numerics() const override { return {"f32", true}; } // reference's bits

  std::optional<std::string> declines(Operation *op) const override {
    if (isa<kvasir::lm::GegluOp>(op))
      return std::nullopt;
    return "abacus has a kernel for lm.geglu alone";
  }

  /// Arguments: call, member, members, gate [T, F], up [T, F], result [T, F].
  LogicalResult emit(const kvasir::KernelRequest &request) const override {
    func::FuncOp kernel = request.function;
    ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
    b.setInsertionPointToStart(kernel.addEntryBlock());
    Value gate = kernel.getArgument(3), up = kernel.getArgument(4), result = kernel.getArgument(5);
    Value zero = kvasir::lm::emitIndex(b, 0), one = kvasir::lm::emitIndex(b, 1);
    Value numRows = b.create<memref::DimOp>(gate, 0), numColumns = b.create<memref::DimOp>(gate, 1);
    auto rows = b.create<scf::ForOp>(kernel.getArgument(1), numRows, kernel.getArgument(2));
    b.setInsertionPointToStart(rows.getBody());
    auto columns = b.create<scf::ForOp>(zero, numColumns, one);
    b.setInsertionPointToStart(columns.getBody());
    Value at[] = {rows.getInductionVar(), columns.getInductionVar()};
    Value element = emitElement(b, b.create<memref::LoadOp>(gate, at), b.create<memref::LoadOp>(up, at));
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
