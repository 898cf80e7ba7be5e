// SPDX-License-Identifier: MIT
// Tensors of NumPy's .npy files, and between element types.
#ifndef KVASIR_RUNTIME_TOOLS_NPY_TENSOR_H
#define KVASIR_RUNTIME_TOOLS_NPY_TENSOR_H

#include "plugins/layout.h"

#include <string>
#include <string_view>
#include <vector>

namespace kvasir::tools {

/// A tensor of numbers as a file has it: row-major, little-endian.
struct NpyTensor {
  char kind = 'f';        ///< f floating, i signed, u unsigned, b bool
  unsigned sizeBytes = 4; ///< of an element
  std::vector<uint64_t> dims;
  std::vector<uint8_t> bytes;

  uint64_t numElements() const { return bytes.size() / sizeBytes; }
};

/// Reads a file of version 1, 2 or 3; Fortran order is turned into rows. Bytes are hostile. Throws Failed that says
/// what is wrong with the file: big-endian, no plain numbers, of another length than its shape.
NpyTensor readNpy(const std::string &path);

/// "8", "33,7,0,12", "-1.5,inf": the numbers, one dim; whole ones as i8. Nothing if the text is something else.
std::optional<NpyTensor> tensorOfNumbers(std::string_view text);

/// The elements as `type`. Integers must fit, and do not come from fractions; floating-point numbers are rounded to
/// nearest. Throws Failed that begins with `name` and says which element does not fit.
std::vector<uint8_t> convertElements(const std::string &name, const NpyTensor &tensor, ElementType type);

/// NumPy's name for the elements of an output. It has no bf16: such outputs are written as f32.
std::string npyType(ElementType type);

/// Writes a dense tensor; throws Failed if that can't be done.
void writeNpy(const std::string &path, ElementType type, const std::vector<uint64_t> &dims, const void *bytes);

} // namespace kvasir::tools

#endif
