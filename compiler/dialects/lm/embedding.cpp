// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult EmbeddingOp::verify() {
  auto result = cast<RankedTensorType>(getResult().getType());
  WeightType weight = getWeight().getType();
  if (weight.isVector() || result.getDimSize(0) != cast<ShapedType>(getIds().getType()).getDimSize(0) ||
      result.getDimSize(1) != weight.getNumColumns()) // C1
    return emitOpError("C1: the result is ") << result << " for ids " << getIds().getType() << " and a weight " << weight;
  return success();
}

LogicalResult TakeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  if (result.getDimSize(0) != cast<ShapedType>(getRows().getType()).getDimSize(0) ||
      result.getDimSize(1) != input.getDimSize(1)) // C1
    return emitOpError("C1: the result is ") << result << " for rows " << getRows().getType() << " of " << input;
  return success();
}
