// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult LinearOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), result = cast<RankedTensorType>(getResult().getType());
  WeightType weight = getWeight().getType();
  if (weight.isVector() || weight.getNumColumns() != input.getDimSize(1)) // C1
    return emitOpError("C1: the weight is ") << weight << ", but rows of the input have " << input.getDimSize(1) << " columns";
  if (result.getDimSize(0) != input.getDimSize(0) || result.getDimSize(1) != weight.getNumRows()) // C2
    return emitOpError("C2: the result is ") << result << " for an input " << input << " and a weight of "
                                             << weight.getNumRows() << " rows";
  if (!getBias())
    return success();
  auto bias = cast<WeightType>(getBias().getType());
  if (!bias.isVector() || bias.getNumColumns() != weight.getNumRows()) // C3
    return emitOpError("C3: the bias is ") << bias << ", but the weight has " << weight.getNumRows() << " rows";
  return success();
}
