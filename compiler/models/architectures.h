// SPDX-License-Identifier: MIT
// What each architecture's file offers to the list, which is that of CMakeLists.txt.
#ifndef KVASIR_MODELS_ARCHITECTURES_H
#define KVASIR_MODELS_ARCHITECTURES_H

#include "compiler/models/architecture.h"

namespace kvasir {

#define KVASIR_ARCHITECTURE(name, room)                                                                                \
  namespace room {                                                                                                     \
  ModuleResult build(const ModelSource &source, mlir::MLIRContext *context);                                           \
  }
#include "compiler/models/architectures.inc"
#undef KVASIR_ARCHITECTURE

} // namespace kvasir

#endif
