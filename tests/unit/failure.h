// SPDX-License-Identifier: MIT
// What the runtime throws.
#ifndef KVASIR_TESTS_UNIT_FAILURE_H
#define KVASIR_TESTS_UNIT_FAILURE_H

#include "runtime/state/error.h"

#include <doctest/doctest.h>
#include <string>

namespace kvasir::test {

/// The message that the body fails with, which must be of this status; "" if it does not fail.
template <typename Body> std::string failureOf(kv_status status, Body body) {
  try {
    body();
  } catch (const runtime::Error &error) {
    CHECK(error.status() == status);
    return error.what();
  }
  return "";
}

} // namespace kvasir::test

#endif
