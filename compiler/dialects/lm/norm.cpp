// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult RmsNormOp::verify() {
  WeightType weight = getWeight().getType();
  int64_t columns = cast<RankedTensorType>(getInput().getType()).getShape().back();
  if (!weight.isVector() || weight.getNumColumns() != columns) // C1
    return emitOpError("C1: the weight is ") << weight << ", but rows of the input have " << columns << " columns";
  return success();
}
