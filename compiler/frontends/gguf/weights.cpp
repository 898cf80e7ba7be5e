// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/weights.h"

#include "compiler/frontends/gguf/block_formats.h"

#include <charconv>
#include <utility>

namespace kvasir::gguf {
namespace {

struct RowRange {
  std::string_view tensor;
  uint64_t begin, end;
};

/// Reads NAME[begin:end].
std::optional<RowRange> rowRange(std::string_view name) {
  const size_t bracket = name.rfind('[');
  if (bracket == std::string_view::npos)
    return std::nullopt;
  RowRange range{name.substr(0, bracket), 0, 0};
  const char *end = name.data() + name.size();
  auto begun = std::from_chars(name.data() + bracket + 1, end, range.begin);
  if (begun.ec != std::errc() || begun.ptr == end || *begun.ptr != ':')
    return std::nullopt;
  auto ended = std::from_chars(begun.ptr + 1, end, range.end);
  bool isWhole = ended.ec == std::errc() && std::string_view(ended.ptr, end) == "]" && range.begin < range.end;
  return isWhole ? std::optional(range) : std::nullopt;
}

} // namespace

Result<SourceTensor> FileWeights::find(std::string_view name) const {
  constexpr std::string_view kAsOneRow = "[:]";
  const Tensor *tensor = file.findTensor(name);
  if (!tensor && name.ends_with(kAsOneRow))
    return findAsOneRow(name.substr(0, name.size() - kAsOneRow.size()));
  if (std::optional<RowRange> range = tensor ? std::nullopt : rowRange(name))
    return findRows(range->tensor, range->begin, range->end);
  if (!tensor)
    return Failure{"there is no tensor " + inQuotes(name)};
  Result<const BlockFormat *> format = blockFormatOf(*tensor);
  if (!format)
    return Failure{format.message()};
  uint64_t rows = tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
  return SourceTensor{tensor->name, rows, tensor->dims[0], (*format)->form, tensor->bytes, (*format)->unpack};
}

Result<SourceTensor> FileWeights::findRows(std::string_view name, uint64_t begin, uint64_t end) const {
  Result<SourceTensor> tensor = find(name);
  if (!tensor)
    return tensor;
  if (end > tensor->rows)
    return Failure{"tensor " + inQuotes(name) + " has " + std::to_string(tensor->rows) + " rows; " +
                   std::to_string(end) + " are expected"};
  const uint64_t size = tensor->bytes.size() / tensor->rows;
  tensor->bytes = tensor->bytes.subspan(begin * size, (end - begin) * size);
  tensor->rows = end - begin;
  return tensor;
}

Result<SourceTensor> FileWeights::findAsOneRow(std::string_view name) const {
  Result<SourceTensor> tensor = find(name);
  if (tensor)
    tensor->columns *= std::exchange(tensor->rows, 1);
  return tensor;
}

std::vector<std::string_view> FileWeights::names() const {
  std::vector<std::string_view> names;
  for (const Tensor &tensor : file.tensors())
    names.push_back(tensor.name);
  return names;
}

} // namespace kvasir::gguf
