// SPDX-License-Identifier: MIT
// Tensors of indices that a call computes: kept inside of what they point into, whatever they say.
#ifndef KVASIR_MODELS_MIL_INDICES_H
#define KVASIR_MODELS_MIL_INDICES_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

/// indices[at], moved to the nearest of 0 to extent - 1.
mlir::Value placeAt(mlir::ImplicitLocOpBuilder &b, mlir::Value indices, coreml::Element element, mlir::ValueRange at,
                    const Scalar &extent);

/// A call with an index that is none of 0 to extent - 1 is refused. Of several extents, each is that of the indices at
/// its place of the last dim. Nothing can be taken from an extent of 0.
void refuseOutside(OpImport &op, const Tensor &indices, llvm::ArrayRef<Scalar> extents);

/// Refuses what has other extents than `dims` in its dims from `first` on.
void refuseOtherDims(OpImport &op, const Tensor &tensor, int64_t first, llvm::ArrayRef<Scalar> dims,
                     const llvm::Twine &reason);

} // namespace kvasir::mil

#endif
