// SPDX-License-Identifier: MIT
#include "plugins/quotes.h"

namespace kvasir {

std::string inQuotes(std::string_view text) {
  constexpr size_t kLongest = 80;
  constexpr char kHex[] = "0123456789abcdef";
  std::string line = "'";
  for (unsigned char c : text.substr(0, kLongest)) {
    if (c >= 0x20 && c < 0x7f)
      line += char(c);
    else
      line += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
  }
  return line + (text.size() > kLongest ? "…'" : "'");
}

} // namespace kvasir
