// SPDX-License-Identifier: MIT
// What commands that look behind the C++ API throw. Included after runtime/api/handles.h.
#ifndef KVASIR_RUNTIME_TOOLS_API_ERRORS_H
#define KVASIR_RUNTIME_TOOLS_API_ERRORS_H

#include "runtime/state/error.h"

#include "kvasir/kvasir.hpp"

namespace kvasir::tools {

/// What `call` returns. An error of the runtime becomes the API's with the same status, by which `main` knows an
/// interrupt.
template <typename Call> auto withApiErrors(const Call &call) {
  try {
    return call();
  } catch (const runtime::Error &error) {
    throw Error(error.status(), error.what());
  }
}

} // namespace kvasir::tools

#endif
