// SPDX-License-Identifier: MIT
// Between exceptions inside and statuses outside.
#ifndef KVASIR_RUNTIME_API_BORDER_H
#define KVASIR_RUNTIME_API_BORDER_H

#include "kvasir/plugin.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace kvasir::runtime {

/// Where a caller wants its line of text.
struct Message {
  char *text;
  size_t sizeBytes;

  /// Cuts what doesn't fit.
  void set(const char *line) const;
};

/// The status of the exception that is being handled, with its line in `message`.
kv_status statusOfException(const Message &message);

/// Runs `body`; KV_OK and an empty message unless it throws.
template <typename Body> kv_status atBorder(char *text, size_t sizeBytes, Body body) {
  const Message message{text, sizeBytes};
  try {
    message.set("");
    body();
    return KV_OK;
  } catch (...) {
    return statusOfException(message);
  }
}

/// The caller's options as this version knows them: what the caller's struct doesn't have is 0.
template <typename Options> Options readOptions(const Options *given) {
  Options options{};
  if (given)
    std::memcpy(&options, given, std::min<size_t>(given->size, sizeof options));
  return options;
}

/// Throws bad input if a pointer that must be there is null.
void requireGiven(const void *pointer, const char *name);

} // namespace kvasir::runtime

#endif
