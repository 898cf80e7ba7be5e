// SPDX-License-Identifier: MIT
// How convolutions and pools go through the dims after the first two.
#ifndef KVASIR_MODELS_MIL_WINDOWS_H
#define KVASIR_MODELS_MIL_WINDOWS_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

/// By dim: the window's elements, how far apart they and the windows are, and the padding before and after.
struct Windows {
  llvm::SmallVector<int64_t> sizes, dilations, strides;
  Scalars before, after;
};

enum class Rounding { down, up };

/// What the op's strides, dilations, pad_type and pad say of windows of `sizes` over x [N, C, …]; nothing after a
/// failure. `same`: (in + stride - 1) / stride windows, and of an odd padding the larger half behind; `same_lower`:
/// before.
std::optional<Windows> windowsOf(OpImport &op, const Tensor &x, llvm::ArrayRef<int64_t> sizes);

/// How many windows there are in each dim: (in + padding - dilation (size - 1) - 1) / stride + 1. Rounded up, one may
/// reach beyond the padding, but does not begin there.
Scalars numWindows(OpImport &op, const Tensor &x, const Windows &windows, Rounding rounding);

/// Where in the dims of x after the first two element `inner` of window `outer` lies; it may be in the padding.
llvm::SmallVector<mlir::Value> placesIn(mlir::ImplicitLocOpBuilder &b, const Windows &windows, mlir::ValueRange outer,
                                        mlir::ValueRange inner);

/// x at indices of which those after the first two may lie in the padding, where it is `around`.
mlir::Value paddedAt(mlir::ImplicitLocOpBuilder &b, mlir::Value source, const Tensor &x,
                     llvm::SmallVector<mlir::Value> indices, mlir::Value around);

} // namespace kvasir::mil

#endif
