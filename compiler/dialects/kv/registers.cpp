// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
LogicalResult verifyRegister(Operation *op, Type slot, RankedTensorType tensor) {
  Declaration found = lookup(op, symbolOf(slot));
  if (!found.reg) // C1
    return op->emitOpError("C1: ") << symbolOf(slot)
                                   << (found ? " is a cache; use kv.append and kv.attend"
                                             : " is declared by no kv.schema of this module");
  auto content = cast<RankedTensorType>(found.reg.getContent());
  if (tensor.getRank() == content.getRank() + 1 && tensor.getShape().drop_front() == content.getShape() &&
      tensor.getElementType() == content.getElementType())
    return success();
  return op->emitOpError("C2: @") << found.reg.getSymName() << " holds " << content << " for each sequence, not "
                                  << tensor;
}
} // namespace

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyRegister(*this, getSlot().getType(), cast<RankedTensorType>(getResult().getType())); // C1, C2
}

LogicalResult SetOp::verifySymbolUses(SymbolTableCollection &) {
  return verifyRegister(*this, getSlot().getType(), cast<RankedTensorType>(getContent().getType())); // C1, C2
}
