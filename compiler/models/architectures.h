// SPDX-License-Identifier: MIT
// What each architecture's file offers to the list.
#ifndef KVASIR_MODELS_ARCHITECTURES_H
#define KVASIR_MODELS_ARCHITECTURES_H

#include "compiler/models/architecture.h"

namespace kvasir {

ModuleResult buildLlama(const ModelSource &source, mlir::MLIRContext *context);

} // namespace kvasir

#endif
