// SPDX-License-Identifier: MIT
// What the inside of the runtime throws; the C border turns it into a status and a message.
#ifndef KVASIR_RUNTIME_STATE_ERROR_H
#define KVASIR_RUNTIME_STATE_ERROR_H

#include "kvasir/plugin.h"

#include <stdexcept>
#include <string>

namespace kvasir::runtime {

/// A status that is not KV_OK and one line, lower case, no period, with the numbers that matter.
class Error : public std::runtime_error {
public:
  Error(kv_status status, const std::string &message) : std::runtime_error(message), code(status) {}

  kv_status status() const { return code; }

private:
  kv_status code;
};

} // namespace kvasir::runtime

#endif
