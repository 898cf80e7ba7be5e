// SPDX-License-Identifier: MIT
#include "compiler/passes/element_type.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace kvasir {

std::optional<ElementType> elementOf(Type type) {
  if (type.isF32())
    return ElementType::f32;
  if (type.isF16())
    return ElementType::f16;
  if (type.isBF16())
    return ElementType::bf16;
  if (type.isInteger(8))
    return ElementType::i8;
  if (type.isInteger(32))
    return ElementType::i32;
  if (type.isInteger(64))
    return ElementType::i64;
  return std::nullopt;
}

} // namespace kvasir
