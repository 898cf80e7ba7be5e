// SPDX-License-Identifier: MIT
// How the tensor types of GGUF are brought to normal form.
#ifndef KVASIR_FRONTENDS_GGUF_BLOCK_FORMATS_H
#define KVASIR_FRONTENDS_GGUF_BLOCK_FORMATS_H

#include "compiler/frontends/gguf/reader.h"
#include "compiler/packing/weight_form.h"

namespace kvasir::gguf {

/// A tensor type that weights may have. Normalisation is without loss: `dequantise` of the row that `unpack` makes
/// gives gguf-py's values bit for bit.
struct BlockFormat {
  const char *type; ///< the name of the TensorType
  WeightForm form;
  void (*unpack)(const uint8_t *blocks, WeightRow &row); ///< a whole row
};

/// All, by name.
std::span<const BlockFormat> blockFormats();

/// Null if weights can't have that type.
const BlockFormat *findBlockFormat(const TensorType &type);

/// The same, with an error that names the tensor, its type, and the types that weights may have.
Result<const BlockFormat *> blockFormatOf(const Tensor &tensor);

} // namespace kvasir::gguf

#endif
