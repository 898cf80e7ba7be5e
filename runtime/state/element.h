// SPDX-License-Identifier: MIT
// Single elements of any type, as f32.
#ifndef KVASIR_RUNTIME_STATE_ELEMENT_H
#define KVASIR_RUNTIME_STATE_ELEMENT_H

#include "plugins/layout.h"

namespace kvasir::runtime {

/// The element of `type` that begins `bit` bits after `bytes` (least significant bit first), exactly, but for i32, i64
/// and f64, which are rounded to the nearest f32. Elements of 8 bits and more begin on a byte.
float loadElement(const uint8_t *bytes, uint64_t bit, ElementType type);

/// Rounds `value` to `type`, to nearest, ties to even, beyond its range to infinity; `type` is a float.
void storeElement(uint8_t *bytes, uint64_t bit, ElementType type, float value);

} // namespace kvasir::runtime

#endif
