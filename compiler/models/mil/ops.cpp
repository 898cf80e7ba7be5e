// SPDX-License-Identifier: MIT
#include "compiler/models/mil/ops.h"

#include "compiler/models/mil/families.h"

#include "llvm/ADT/STLExtras.h"

namespace kvasir::mil {
namespace {

/// Sorted by name.
const OpEntry kOps[] = {
    {"abs", importUnary, {"x"}},
    {"add", importBinary, {"x", "y"}},
    {"cast", importCast, {"x", "dtype"}},
    {"ceil", importUnary, {"x"}},
    {"clip", importWithAlpha, {"x", "alpha", "beta"}},
    {"concat", importConcat, {"values", "axis"}},
    {"cond", importCond, {"pred"}},
    {"constexpr_blockwise_shift_scale", importBlockwiseWeight, {"data", "scale"}},
    {"constexpr_lut_to_dense", importPaletteWeight, {"indices", "lut"}},
    {"constexpr_sparse_to_dense", importSparseWeight, {"nonzero_data", "mask"}},
    {"conv", importConvolution, {"x", "weight"}},
    {"cos", importUnary, {"x"}},
    {"cumsum", importCumulativeSum, {"x"}},
    {"dequantize", importDequantize, {"input", "scale"}},
    {"elu", importWithAlpha, {"x"}},
    {"equal", importBinary, {"x", "y"}},
    {"erf", importUnary, {"x"}},
    {"exp", importUnary, {"x"}},
    {"exp2", importUnary, {"x"}},
    {"expand_dims", importExpandDims, {"x", "axes"}},
    {"fill", importFill, {"shape", "value"}},
    {"floor", importUnary, {"x"}},
    {"floor_div", importBinary, {"x", "y"}},
    {"gather", importGather, {"x", "indices"}},
    {"gather_along_axis", importGatherAlongAxis, {"x", "indices"}},
    {"gelu", importGelu, {"x"}},
    {"greater", importBinary, {"x", "y"}},
    {"greater_equal", importBinary, {"x", "y"}},
    {"identity", importIdentity, {"x"}},
    {"inverse", importWithEpsilon, {"x"}},
    {"layer_norm", importLayerNorm, {"x"}},
    {"leaky_relu", importWithAlpha, {"x"}},
    {"less", importBinary, {"x", "y"}},
    {"less_equal", importBinary, {"x", "y"}},
    {"linear", importLinear, {"x", "weight"}},
    {"log", importWithEpsilon, {"x"}},
    {"logical_and", importBinary, {"x", "y"}},
    {"logical_not", importUnary, {"x"}},
    {"logical_or", importBinary, {"x", "y"}},
    {"logical_xor", importBinary, {"x", "y"}},
    {"matmul", importMatmul, {"x", "y"}},
    {"maximum", importBinary, {"x", "y"}},
    {"minimum", importBinary, {"x", "y"}},
    {"mod", importBinary, {"x", "y"}},
    {"mul", importBinary, {"x", "y"}},
    {"not_equal", importBinary, {"x", "y"}},
    {"pad", importPad, {"x", "pad"}},
    {"pow", importBinary, {"x", "y"}},
    {"quantize", importQuantize, {"input", "scale", "output_dtype"}},
    {"range_1d", importRange, {"start", "end", "step"}},
    {"read_state", importReadState, {"input"}},
    {"real_div", importBinary, {"x", "y"}},
    {"reduce_argmax", importArgument, {"x"}},
    {"reduce_argmin", importArgument, {"x"}},
    {"reduce_l1_norm", importReduction, {"x"}},
    {"reduce_l2_norm", importReduction, {"x"}},
    {"reduce_log_sum", importReduction, {"x"}},
    {"reduce_max", importReduction, {"x"}},
    {"reduce_mean", importReduction, {"x"}},
    {"reduce_min", importReduction, {"x"}},
    {"reduce_prod", importReduction, {"x"}},
    {"reduce_sum", importReduction, {"x"}},
    {"reduce_sum_square", importReduction, {"x"}},
    {"relu", importUnary, {"x"}},
    {"reshape", importReshape, {"x", "shape"}},
    {"round", importUnary, {"x"}},
    {"rsqrt", importWithEpsilon, {"x"}},
    {"scaled_dot_product_attention", importAttention, {"query", "key", "value"}},
    {"select", importSelect, {"cond", "a", "b"}},
    {"shape", importShape, {"x"}},
    {"sigmoid", importUnary, {"x"}},
    {"sign", importUnary, {"x"}},
    {"silu", importUnary, {"x"}},
    {"sin", importUnary, {"x"}},
    {"slice_by_index", importSliceByIndex, {"x", "begin", "end"}},
    {"slice_by_size", importSliceBySize, {"x", "begin", "size"}},
    {"slice_update", importSliceUpdate, {"x", "update", "begin", "end"}},
    {"softmax", importSoftmax, {"x"}},
    {"softplus", importUnary, {"x"}},
    {"split", importSplit, {"x"}},
    {"sqrt", importUnary, {"x"}},
    {"square", importUnary, {"x"}},
    {"squeeze", importSqueeze, {"x"}},
    {"stack", importStack, {"values", "axis"}},
    {"sub", importBinary, {"x", "y"}},
    {"tanh", importUnary, {"x"}},
    {"threshold", importWithAlpha, {"x", "alpha"}},
    {"tile", importTile, {"x", "reps"}},
    {"transpose", importTranspose, {"x", "perm"}},
    {"write_state", importWriteState, {"input", "data"}},
};

} // namespace

const OpEntry *findOp(llvm::StringRef name) {
  const auto *found = llvm::lower_bound(
      kOps, name, [](const OpEntry &entry, llvm::StringRef wanted) { return llvm::StringRef(entry.name) < wanted; });
  return found != std::end(kOps) && name == found->name ? found : nullptr;
}

} // namespace kvasir::mil
