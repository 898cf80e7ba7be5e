// SPDX-License-Identifier: MIT
#include "runtime/tools/npy_tensor.h"

#include "runtime/state/element.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/npy_file.h"

#include <charconv>
#include <cstring>
#include <limits>

namespace kvasir::tools {
namespace {

struct IntegerRange {
  int64_t least, most;
};

/// Of an element type; nothing for floating-point ones.
std::optional<IntegerRange> rangeOf(ElementType type) {
  switch (type) {
  case ElementType::i8:
    return IntegerRange{-128, 127};
  case ElementType::u8:
    return IntegerRange{0, 255};
  case ElementType::i32:
    return IntegerRange{std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  case ElementType::i64:
    return IntegerRange{std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  default:
    return std::nullopt;
  }
}

/// An element of 1 to 8 bytes. An unsigned one of 8 bytes and the highest bit is taken for negative: it fits nowhere.
int64_t loadInteger(const NpyTensor &tensor, uint64_t index) {
  uint64_t value = 0;
  std::memcpy(&value, &tensor.bytes[index * tensor.sizeBytes], tensor.sizeBytes);
  const unsigned shift = 64 - 8 * tensor.sizeBytes;
  return tensor.kind == 'i' ? static_cast<int64_t>(value << shift) >> shift : static_cast<int64_t>(value);
}

float loadFloat(const NpyTensor &tensor, uint64_t index) {
  const ElementType type = tensor.sizeBytes == 2   ? ElementType::f16
                           : tensor.sizeBytes == 4 ? ElementType::f32
                                                   : ElementType::f64;
  return tensor.kind == 'f' ? runtime::loadElement(tensor.bytes.data(), index * tensor.sizeBytes * 8, type)
                            : static_cast<float>(loadInteger(tensor, index));
}

bool fits(const NpyTensor &tensor, int64_t value, const IntegerRange &range) {
  const bool isWrapped = tensor.kind == 'u' && tensor.sizeBytes == 8 && value < 0;
  return !isWrapped && value >= range.least && value <= range.most;
}

std::optional<int64_t> wholeNumber(std::string_view text) {
  int64_t value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> anyNumber(std::string_view text) {
  double value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

template <typename T> NpyTensor tensorOf(char kind, const std::vector<T> &values) {
  NpyTensor tensor{kind, sizeof(T), {values.size()}, std::vector<uint8_t>(values.size() * sizeof(T))};
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

} // namespace

std::optional<NpyTensor> tensorOfNumbers(std::string_view text) {
  std::vector<int64_t> whole;
  std::vector<double> any;
  while (true) {
    const std::string_view piece = text.substr(0, text.find(','));
    const auto number = anyNumber(piece);
    if (!number)
      return std::nullopt;
    any.push_back(*number);
    if (const auto integer = wholeNumber(piece))
      whole.push_back(*integer);
    if (piece.size() == text.size())
      break;
    text.remove_prefix(piece.size() + 1);
  }
  return whole.size() == any.size() ? tensorOf('i', whole) : tensorOf('f', any);
}

std::vector<uint8_t> convertElements(const std::string &name, const NpyTensor &tensor, ElementType type) {
  const auto range = rangeOf(type);
  if (range && tensor.kind == 'f')
    throw Failed(name + " holds f" + std::to_string(tensor.sizeBytes) + "; the function takes " + elementName(type));
  const size_t sizeBytes = elementBits(type) / 8;
  std::vector<uint8_t> elements(tensor.numElements() * sizeBytes);
  for (uint64_t i = 0; i < tensor.numElements(); ++i) {
    if (!range && tensor.kind == 'f' && tensor.sizeBytes == sizeBytes && type != ElementType::bf16)
      std::memcpy(&elements[i * sizeBytes], &tensor.bytes[i * sizeBytes], sizeBytes);
    else if (!range)
      runtime::storeElement(elements.data(), i * sizeBytes * 8, type, loadFloat(tensor, i));
    else if (const int64_t value = loadInteger(tensor, i); fits(tensor, value, *range))
      std::memcpy(&elements[i * sizeBytes], &value, sizeBytes);
    else
      throw Failed(name + " holds a number at place " + std::to_string(i) + " that " + elementName(type) +
                   " has no room for");
  }
  return elements;
}

std::string npyType(ElementType type) {
  switch (type) {
  case ElementType::f16:
    return "<f2";
  case ElementType::f64:
    return "<f8";
  case ElementType::i8:
    return "|i1";
  case ElementType::u8:
    return "|u1";
  case ElementType::i32:
    return "<i4";
  case ElementType::i64:
    return "<i8";
  default:
    return "<f4";
  }
}

void writeNpy(const std::string &path, ElementType type, const std::vector<uint64_t> &dims, const void *bytes) {
  uint64_t numElements = 1;
  for (const uint64_t dim : dims)
    numElements *= dim;
  const auto *first = static_cast<const uint8_t *>(bytes);
  std::vector<float> widened;
  for (uint64_t i = 0; type == ElementType::bf16 && i < numElements; ++i)
    widened.push_back(runtime::loadElement(first, i * 16, type));
  NpyFile file(path, npyType(type), dims);
  if (type == ElementType::bf16)
    file.append(std::as_bytes(std::span(widened)));
  else
    file.append({reinterpret_cast<const std::byte *>(first), numElements * elementBits(type) / 8});
  file.finish();
}

} // namespace kvasir::tools
