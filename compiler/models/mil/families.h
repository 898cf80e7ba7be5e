// SPDX-License-Identifier: MIT
// How ops are imported: one function a kind of op, one file a family. ops.cpp says which op is which.
#ifndef KVASIR_MODELS_MIL_FAMILIES_H
#define KVASIR_MODELS_MIL_FAMILIES_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

// elementwise.cpp
void importBinary(OpImport &op);
void importIdentity(OpImport &op);
void importSelect(OpImport &op);
void importUnary(OpImport &op);
void importWithEpsilon(OpImport &op);

// activations.cpp
void importActivation(OpImport &op);
void importBatchNorm(OpImport &op);
void importGelu(OpImport &op);

// casts.cpp
void importCast(OpImport &op);
void importDequantize(OpImport &op);
void importQuantize(OpImport &op);

// shapes.cpp
void importExpandDims(OpImport &op);
void importPixelShuffle(OpImport &op);
void importReshape(OpImport &op);
void importReverse(OpImport &op);
void importShape(OpImport &op);
void importSqueeze(OpImport &op);
void importTranspose(OpImport &op);
void importUpsample(OpImport &op);

// joining.cpp
void importBandPart(OpImport &op);
void importConcat(OpImport &op);
void importFill(OpImport &op);
void importFillLike(OpImport &op);
void importOneHot(OpImport &op);
void importPad(OpImport &op);
void importRange(OpImport &op);
void importSplit(OpImport &op);
void importStack(OpImport &op);
void importTile(OpImport &op);

// slices.cpp
void importSliceByIndex(OpImport &op);
void importSliceBySize(OpImport &op);
void importSliceUpdate(OpImport &op);

// gathers.cpp
void importGather(OpImport &op);
void importGatherAlongAxis(OpImport &op);
void importGatherNd(OpImport &op);

// scatters.cpp
void importScatter(OpImport &op);
void importScatterAlongAxis(OpImport &op);
void importScatterNd(OpImport &op);

// sorting.cpp
void importArgsort(OpImport &op);
void importTopk(OpImport &op);

// reductions.cpp
void importArgument(OpImport &op);
void importCumulativeSum(OpImport &op);
void importInstanceNorm(OpImport &op);
void importL2Norm(OpImport &op);
void importLayerNorm(OpImport &op);
void importReduction(OpImport &op);
void importSoftmax(OpImport &op);

// products.cpp
void importEinsum(OpImport &op);
void importLinear(OpImport &op);
void importMatmul(OpImport &op);

// convolutions.cpp
void importConvolution(OpImport &op);
void importTransposedConvolution(OpImport &op);

// pools.cpp
void importPool(OpImport &op);

// attention.cpp
void importAttention(OpImport &op);

// weights.cpp
void importBlockwiseWeight(OpImport &op);
void importPaletteWeight(OpImport &op);
void importSparseWeight(OpImport &op);

// states.cpp
void importCond(OpImport &op);
void importReadState(OpImport &op);
void importWriteState(OpImport &op);

} // namespace kvasir::mil

#endif
