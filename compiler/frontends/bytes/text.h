// SPDX-License-Identifier: MIT
// Text of untrusted files in messages.
#ifndef KVASIR_FRONTENDS_BYTES_TEXT_H
#define KVASIR_FRONTENDS_BYTES_TEXT_H

#include <string>
#include <string_view>

namespace kvasir {

/// `text` in quotes, for messages: bytes that are no printable ASCII as \xNN, cut after 80.
std::string inQuotes(std::string_view text);

} // namespace kvasir

#endif
