// SPDX-License-Identifier: MIT
// Tensors by value.
#ifndef KVASIR_RUNTIME_IMPORTED_TENSOR_H
#define KVASIR_RUNTIME_IMPORTED_TENSOR_H

#include "plugins/layout.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::imported {

/// Dense and row-major, elements of whole bytes.
struct Tensor {
  ElementType element = ElementType::f32;
  std::vector<uint64_t> dims;
  std::vector<uint8_t> bytes;

  /// Of zeros. Throws std::bad_alloc if it fits into no memory.
  static Tensor make(ElementType element, std::vector<uint64_t> dims);

  uint64_t numElements() const;
  unsigned elementBytes() const { return elementBits(element) / 8; }

  /// Exact but for i32, i64 and f64 beyond f32's 24 bits.
  float at(uint64_t index) const;

  /// Rounds to nearest; integers are clamped to what their type holds.
  void set(uint64_t index, double value);
  void setAll(double value);

  bool operator==(const Tensor &) const = default;
};

/// "f16[1, 8, 16]"
std::string text(const Tensor &tensor);

} // namespace kvasir::imported

#endif
