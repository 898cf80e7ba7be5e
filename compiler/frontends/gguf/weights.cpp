// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/weights.h"

#include "compiler/frontends/gguf/block_formats.h"

namespace kvasir::gguf {

Result<SourceTensor> FileWeights::find(std::string_view name) const {
  const Tensor *tensor = file.findTensor(name);
  if (!tensor)
    return Failure{"there is no tensor " + inQuotes(name)};
  Result<const BlockFormat *> format = blockFormatOf(*tensor);
  if (!format)
    return Failure{format.message()};
  uint64_t rows = tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
  return SourceTensor{tensor->name, rows, tensor->dims[0], (*format)->form, tensor->bytes, (*format)->unpack};
}

std::vector<std::string_view> FileWeights::names() const {
  std::vector<std::string_view> names;
  for (const Tensor &tensor : file.tensors())
    names.push_back(tensor.name);
  return names;
}

} // namespace kvasir::gguf
