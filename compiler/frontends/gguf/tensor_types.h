// SPDX-License-Identifier: MIT
// The element types of GGUF tensors, known by number.
#ifndef KVASIR_FRONTENDS_GGUF_TENSOR_TYPES_H
#define KVASIR_FRONTENDS_GGUF_TENSOR_TYPES_H

#include <cstdint>

namespace kvasir::gguf {

/// One element type: runs of `blockElements` along the first dimension are stored in `blockBytes`.
struct TensorType {
  uint32_t number;
  const char *name;
  uint32_t blockElements;
  uint32_t blockBytes;
};

/// The type that files give this number, or null if there is none. Knowing a type's size is not being able to read its
/// values: see block_formats.h.
const TensorType *findTensorType(uint32_t number);

} // namespace kvasir::gguf

#endif
