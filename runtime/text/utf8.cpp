// SPDX-License-Identifier: MIT
#include "runtime/text/utf8.h"

#include <cstdint>

namespace kvasir {

Utf8Step firstOfUtf8(std::string_view text) {
  uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80)
    return {Utf8::character, 1};
  size_t sizeBytes = lead >= 0xc2 && lead <= 0xdf   ? 2
                     : (lead & 0xf0) == 0xe0        ? 3
                     : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                    : 0;
  if (sizeBytes == 0)
    return {Utf8::invalid, 1};
  // The second byte's range keeps out overlong forms, surrogates and what is beyond U+10FFFF.
  uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  for (size_t i = 1; i < sizeBytes; ++i, least = 0x80, most = 0xbf) {
    if (i == text.size())
      return {Utf8::incomplete, i};
    uint8_t byte = static_cast<uint8_t>(text[i]);
    if (byte < least || byte > most)
      return {Utf8::invalid, i};
  }
  return {Utf8::character, sizeBytes};
}

} // namespace kvasir
