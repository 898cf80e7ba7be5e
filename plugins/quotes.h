// SPDX-License-Identifier: MIT
// Text of untrusted files in messages.
#ifndef KVASIR_PLUGINS_QUOTES_H
#define KVASIR_PLUGINS_QUOTES_H

#include <string>
#include <string_view>

namespace kvasir {

/// `text` in quotes, for messages: bytes that are no printable ASCII as \xNN, cut after 80.
std::string inQuotes(std::string_view text);

} // namespace kvasir

#endif
