// SPDX-License-Identifier: MIT
// Writes GGUF files into memory, right and wrong ones.
#ifndef KVASIR_TESTS_UNIT_GGUF_BYTES_H
#define KVASIR_TESTS_UNIT_GGUF_BYTES_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

/// Bytes that grow at the end; numbers in little-endian order.
class GgufBytes {
public:
  template <typename T> GgufBytes &number(T value) {
    const auto *begin = reinterpret_cast<const uint8_t *>(&value);
    bytes.insert(bytes.end(), begin, begin + sizeof(T));
    return *this;
  }
  GgufBytes &text(std::string_view value) {
    number(uint64_t(value.size()));
    bytes.insert(bytes.end(), value.begin(), value.end());
    return *this;
  }
  GgufBytes &header(uint64_t numTensors, uint64_t numValues, uint32_t version = 3) {
    for (char c : {'G', 'G', 'U', 'F'})
      bytes.push_back(uint8_t(c));
    return number(version).number(numTensors).number(numValues);
  }
  /// A metadata value of type u32.
  GgufBytes &u32(std::string_view key, uint32_t value) { return text(key).number(uint32_t(4)).number(value); }
  GgufBytes &tensor(std::string_view name, const std::vector<uint64_t> &dims, uint32_t type, uint64_t offset) {
    text(name).number(uint32_t(dims.size()));
    for (uint64_t dim : dims)
      number(dim);
    return number(type).number(offset);
  }
  GgufBytes &align(size_t alignment = 32) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  GgufBytes &zeros(size_t count) {
    bytes.resize(bytes.size() + count);
    return *this;
  }

  std::vector<uint8_t> bytes;
};

} // namespace kvasir

#endif
