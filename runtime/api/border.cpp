// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"

#include "runtime/state/error.h"

#include <new>

namespace kvasir::runtime {

void Message::set(const char *line) const {
  if (!text || sizeBytes == 0)
    return;
  const size_t length = std::min(std::strlen(line), sizeBytes - 1);
  std::memcpy(text, line, length);
  text[length] = 0;
}

kv_status statusOfException(const Message &message) {
  try {
    throw;
  } catch (const Error &error) {
    message.set(error.what());
    return error.status();
  } catch (const std::bad_alloc &) {
    message.set("out of memory");
    return KV_OUT_OF_MEMORY;
  } catch (const std::length_error &) {
    message.set("out of memory");
    return KV_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    message.set(error.what());
    return KV_FAILED;
  }
}

void requireGiven(const void *pointer, const char *name) {
  if (!pointer)
    throw Error(KV_BAD_INPUT, std::string(name) + " is null");
}

} // namespace kvasir::runtime
