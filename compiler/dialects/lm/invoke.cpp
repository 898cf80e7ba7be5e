// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult InvokeOp::verify() {
  SmallVector<Type> tensors;
  for (Type type : getOuts().getTypes())
    if (isa<TensorType>(type))
      tensors.push_back(type);
  if (TypeRange(tensors) != getResultTypes()) // C2
    return emitOpError("C2: ") << getNumResults() << " results for " << tensors.size()
                               << " tensors of outs, or of other types";
  if (getScratch().size() != 3) // C3
    return emitOpError("C3: scratch is bytes, bytes a row, bytes a member, not ") << getScratch().size() << " numbers";
  return success();
}

LogicalResult InvokeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<FunctionOpInterface>(*this, getKernelAttr())) // C1
    return emitOpError("C1: ") << getKernelAttr() << " is not a function";
  return success();
}
