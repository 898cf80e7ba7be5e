// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace kvasir;

namespace {
/// The op on the buffers of its tensors, without results.
FailureOr<SmallVector<Value>> bufferizeOperands(RewriterBase &rewriter, Operation *op,
                                                const BufferizationOptions &options) {
  rewriter.setInsertionPoint(op);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (!isa<TensorType>(operand.getType())) {
      operands.push_back(operand);
      continue;
    }
    FailureOr<Value> buffer = getBuffer(rewriter, operand, options);
    if (failed(buffer))
      return failure();
    operands.push_back(*buffer);
  }
  clone(rewriter, op, /*newResultTypes=*/TypeRange{}, operands);
  return operands;
}

/// An op in destination style that writes each element of its outs and reads none of them.
template <typename Op> struct Destination : DstBufferizableOpInterfaceExternalModel<Destination<Op>, Op> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  // An op that takes one buffer as input and as out updates it in place.
  bool isNotConflicting(Operation *op, OpOperand *read, OpOperand *write, const AnalysisState &) const {
    return read->getOwner() == op && write->getOwner() == op && read->get() == write->get();
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter, const BufferizationOptions &options) const {
    FailureOr<SmallVector<Value>> operands = bufferizeOperands(rewriter, op, options);
    if (failed(operands))
      return failure();
    SmallVector<Value> results;
    for (OpOperand &out : cast<DestinationStyleOpInterface>(op).getDpsInitsMutable())
      if (isa<TensorType>(out.get().getType()))
        results.push_back((*operands)[out.getOperandNumber()]);
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};

/// An op that reads its tensor and writes state.
template <typename Op> struct Store : BufferizableOpInterface::ExternalModel<Store<Op>, Op> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &, const AnalysisState &) const { return true; }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &, const AnalysisState &) const { return false; }
  AliasingValueList getAliasingValues(Operation *, OpOperand &, const AnalysisState &) const { return {}; }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter, const BufferizationOptions &options) const {
    if (failed(bufferizeOperands(rewriter, op, options)))
      return failure();
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void kvasir::registerBufferization(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, kv::KvDialect *, lm::LmDialect *) {
    kv::CopyRowsOp::attachInterface<Destination<kv::CopyRowsOp>>(*context);
    kv::LoadRegisterOp::attachInterface<Destination<kv::LoadRegisterOp>>(*context);
    kv::LoadRowsOp::attachInterface<Destination<kv::LoadRowsOp>>(*context);
    kv::StoreRegisterOp::attachInterface<Store<kv::StoreRegisterOp>>(*context);
    kv::StoreRowsOp::attachInterface<Store<kv::StoreRowsOp>>(*context);
    lm::DequantizeOp::attachInterface<Destination<lm::DequantizeOp>>(*context);
    lm::InvokeOp::attachInterface<Destination<lm::InvokeOp>>(*context);
  });
}
