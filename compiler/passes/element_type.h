// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_ELEMENT_TYPE_H
#define KVASIR_PASSES_ELEMENT_TYPE_H

#include "plugins/layout.h"

#include "mlir/IR/Types.h"

#include <optional>

namespace kvasir {

/// How a plugin stores numbers of `type` in tensors that cross the border; nothing if no plugin has such.
std::optional<ElementType> elementOf(mlir::Type type);

} // namespace kvasir

#endif
