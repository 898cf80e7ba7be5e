// SPDX-License-Identifier: MIT
// Normal forms as types of the IR, and back.
#ifndef KVASIR_PACKING_WEIGHT_TYPE_H
#define KVASIR_PACKING_WEIGHT_TYPE_H

#include "compiler/dialects/lm/dialect.h"
#include "compiler/packing/weight_form.h"

namespace kvasir {

/// `shape` is [N, K] or [E].
lm::WeightType weightTypeOf(mlir::MLIRContext *context, const WeightForm &form, llvm::ArrayRef<int64_t> shape);

WeightForm formOf(lm::WeightType type);

} // namespace kvasir

#endif
