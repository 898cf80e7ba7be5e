// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"

using namespace mlir;
using namespace kvasir::lm;

LogicalResult RopeAnglesOp::verify() {
  ShapedType frequencies = getFrequencies().getType();
  auto result = cast<RankedTensorType>(getResult().getType());
  auto positions = cast<RankedTensorType>(getPositions().getType());
  if (frequencies.getRank() != 1 || result.getDimSize(0) != positions.getDimSize(0) ||
      result.getDimSize(1) != frequencies.getDimSize(0) || result.getDimSize(2) != 2) // C1
    return emitOpError("C1: the result is ") << result << " for " << frequencies.getNumElements() << " frequencies and "
                                             << positions;
  return success();
}

LogicalResult RopeOp::verify() {
  auto input = cast<RankedTensorType>(getInput().getType()), angles = cast<RankedTensorType>(getAngles().getType());
  if (angles.getDimSize(0) != input.getDimSize(0) || angles.isDynamicDim(1) ||
      2 * angles.getDimSize(1) > input.getDimSize(2) || angles.getDimSize(2) != 2) // C1
    return emitOpError("C1: the angles are ") << angles << " for heads of " << input.getDimSize(2) << " lanes in " << input;
  return success();
}
