// SPDX-License-Identifier: MIT
#ifndef KVASIR_RUNTIME_TEXT_UTF8_H
#define KVASIR_RUNTIME_TEXT_UTF8_H

#include <cstddef>
#include <string_view>

namespace kvasir {

inline constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd"; // U+FFFD

enum class Utf8 : unsigned char {
  character,  // one well-formed character
  invalid,    // bytes that no continuation makes well-formed: the longest such prefix, at least one byte
  incomplete, // the text ends inside what may become a character
};

struct Utf8Step {
  Utf8 kind;
  size_t sizeBytes;
};

/// What a text that is not empty begins with. Source: Unicode 15, table 3-7; prefixes as its chapter 3.9 recommends
/// for U+FFFD.
Utf8Step firstOfUtf8(std::string_view text);

} // namespace kvasir

#endif
