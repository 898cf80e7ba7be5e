// SPDX-License-Identifier: MIT
// The inputs and outputs of a call against what the description says of them.
#ifndef KVASIR_RUNTIME_MODEL_TENSORS_H
#define KVASIR_RUNTIME_MODEL_TENSORS_H

#include "plugins/description.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::runtime {

/// What a function's own extents, a to z, are in a call; 0 for letters that it has not.
using OwnExtents = std::array<uint64_t, 26>;

/// The numbers behind the symbols of a call.
struct Sizes {
  uint64_t sequences, tokens, wanted;
  uint64_t stored; ///< rows of the one sequence after the call; 0 where there are several
  OwnExtents extents{};
};

/// What a caller passes under a name.
struct NamedInput {
  std::string name;
  const void *bytes;
  ElementType element;
  std::vector<uint64_t> dims;
};

/// What a call returns under a name.
struct NamedOutput {
  std::string name;
  ElementType element;
  std::vector<uint64_t> dims;
  std::vector<uint8_t> bytes;
};

/// What the inputs make of the function's own extents. Throws bad input that names the input whose extent is not what
/// the function allows, or what another input says.
OwnExtents ownExtents(const FunctionDescription &function, const std::vector<NamedInput> &inputs);

/// The dims with numbers for symbols. Throws bad input if one counts rows of the one sequence and there are several.
std::vector<uint64_t> resolveDims(const TensorDescription &tensor, const Sizes &sizes);

/// Bytes of a dense tensor. Throws std::bad_alloc if they are more than fit into memory at all.
uint64_t denseBytes(ElementType element, const std::vector<uint64_t> &dims);

/// Is the tensor's first dim this symbol, and no other dim? Then the call may be split along it.
bool isSplit(const TensorDescription &tensor, char symbol);

/// Does any dim depend on the call?
bool hasSymbol(const TensorDescription &tensor);

/// Is it the ids of tokens, one i32 each?
bool holdsIds(const TensorDescription &tensor);

/// The caller's inputs in the function's order. Throws bad input that names the tensor that is missing, unknown or of
/// another shape or type.
std::vector<const uint8_t *> orderInputs(const FunctionDescription &function, const Sizes &sizes,
                                         const std::vector<NamedInput> &inputs);

} // namespace kvasir::runtime

#endif
