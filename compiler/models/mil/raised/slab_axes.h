// SPDX-License-Identifier: MIT
// What the axes of a state are: layers, heads, rows and elements.
#ifndef KVASIR_MODELS_MIL_RAISED_SLAB_AXES_H
#define KVASIR_MODELS_MIL_RAISED_SLAB_AXES_H

#include "compiler/models/mil/raised/raise_plan.h"

namespace kvasir::mil {

struct SlabAxes {
  int64_t heads = 1, width = 1;
  std::vector<std::string> names; ///< by axis, as in kv.cache's `from`
  RowDims rows;                   ///< by axis: what is in a row of a layer
};

/// `views`: what is attended in each layer, […, heads, repetitions, rows, elements]. Nothing if layers are no regular
/// indices, or heads or elements are no one digit of an axis.
std::optional<SlabAxes> slabAxesOf(llvm::ArrayRef<const StateView *> views, int64_t rowAxis,
                                   llvm::ArrayRef<int64_t> shape);

} // namespace kvasir::mil

#endif
