// SPDX-License-Identifier: MIT
// What sums of products are made of.
#ifndef KVASIR_MODELS_MIL_PRODUCTS_H
#define KVASIR_MODELS_MIL_PRODUCTS_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

/// Of elements in the type that they are computed in.
mlir::Value zeroOf(mlir::ImplicitLocOpBuilder &b, coreml::Element element);
mlir::Value plus(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);
mlir::Value times(mlir::ImplicitLocOpBuilder &b, mlir::Value lhs, mlir::Value rhs);

/// The op's bias of `count` numbers; a null value without one.
mlir::Value biasOf(OpImport &op, const Scalar &count, coreml::Element element);

/// The bias as a weight, null where it is not there or 0; nothing if it is no constant of so many elements.
std::optional<lm::WeightOp> constantBias(OpImport &op, const Scalar &count);

} // namespace kvasir::mil

#endif
