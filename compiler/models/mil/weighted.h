// SPDX-License-Identifier: MIT
// Ops whose constant is large enough to be a weight: lm.linear and lm.embedding on rows of f32.
#ifndef KVASIR_MODELS_MIL_WEIGHTED_H
#define KVASIR_MODELS_MIL_WEIGHTED_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

/// Whether x [.., K] can be taken as rows of K elements: it has two dims or more, and at most one that a call chooses.
bool hasRows(const Tensor &x);

/// The rows of x, [.., K], times the weight [N, K], plus the vector `bias` where there is one: products are summed in
/// f32 and rounded once, to x's element type. Result [.., N].
Tensor emitLinear(OpImport &op, const Tensor &x, lm::WeightOp weight, lm::WeightOp bias);

/// The indices as i32. A call with one that is none of 0 to extent - 1 is refused.
mlir::Value emitInside(OpImport &op, const Tensor &indices, const Scalar &extent);

/// The weight's row of each of `indices`, a tensor of i32 that lie inside: [dims.., E]. At most one dim is open.
Tensor emitEmbedding(OpImport &op, mlir::Value indices, llvm::ArrayRef<Scalar> dims, lm::WeightOp weight,
                     coreml::Element element);

} // namespace kvasir::mil

#endif
