// SPDX-License-Identifier: MIT
// What ops of MIL make of one element, or of two.
#ifndef KVASIR_MODELS_MIL_ELEMENTWISE_H
#define KVASIR_MODELS_MIL_ELEMENTWISE_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

/// `name` is one of MIL's: exp, sigmoid, softplus, …; of floats.
mlir::Value emitUnary(mlir::ImplicitLocOpBuilder &b, llvm::StringRef name, mlir::Value x);

/// `name` is one of MIL's: add, maximum, mul, …; the elements are in the type that `element` is computed in.
mlir::Value emitBinary(mlir::ImplicitLocOpBuilder &b, llvm::StringRef name, mlir::Value lhs, mlir::Value rhs,
                       coreml::Element element);

} // namespace kvasir::mil

#endif
