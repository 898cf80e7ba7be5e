// SPDX-License-Identifier: MIT
// Reading forward through untrusted bytes: nothing is read that has not been checked to be there.
#ifndef KVASIR_FRONTENDS_BYTES_CURSOR_H
#define KVASIR_FRONTENDS_BYTES_CURSOR_H

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace kvasir {

static_assert(std::endian::native == std::endian::little, "values are copied out of the file as they lie");

/// A position in a byte string. After a failed read the position has not moved.
class Cursor {
public:
  explicit Cursor(std::span<const uint8_t> bytes) : bytes(bytes) {}

  uint64_t position() const { return at; }
  uint64_t remaining() const { return bytes.size() - at; }

  /// The next `count` bytes, or nothing if there are fewer.
  std::optional<std::span<const uint8_t>> take(uint64_t count) {
    if (count > remaining())
      return std::nullopt;
    std::span<const uint8_t> taken = bytes.subspan(at, count);
    at += count;
    return taken;
  }

  template <typename T> std::optional<T> read() {
    static_assert(std::is_arithmetic_v<T>);
    std::optional<std::span<const uint8_t>> taken = take(sizeof(T));
    if (!taken)
      return std::nullopt;
    T value;
    std::memcpy(&value, taken->data(), sizeof(T));
    return value;
  }

  /// A 64-bit length and as many bytes.
  std::optional<std::string_view> readString() {
    Cursor ahead = *this;
    std::optional<uint64_t> length = ahead.read<uint64_t>();
    if (!length)
      return std::nullopt;
    std::optional<std::span<const uint8_t>> text = ahead.take(*length);
    if (!text)
      return std::nullopt;
    *this = ahead;
    return std::string_view(reinterpret_cast<const char *>(text->data()), text->size());
  }

private:
  std::span<const uint8_t> bytes;
  uint64_t at = 0;
};

} // namespace kvasir

#endif
