// SPDX-License-Identifier: MIT
// Numbers that are one for each channel: dim 1.
#ifndef KVASIR_MODELS_MIL_CHANNELS_H
#define KVASIR_MODELS_MIL_CHANNELS_H

#include "compiler/models/mil/op_import.h"

namespace kvasir::mil {

/// Of a type that arithmetic is in f32 for.
bool isReal(const Tensor &tensor);

/// The operand [C] as [C, 1, …], which broadcasts along dim 1 of `x`; a single number as it is.
Tensor overChannels(OpImport &op, llvm::StringRef name, const Tensor &x);

} // namespace kvasir::mil

#endif
