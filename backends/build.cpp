// SPDX-License-Identifier: MIT
// Goes into the library of every backend: which build it is of, for the driver to compare with its own.
#include "backends/backend.h"
#include "backends/build_id.h"

__attribute__((used, retain, section(KVASIR_BACKEND_BUILD_SECTION))) static const char kBuild[] = KVASIR_BUILD_ID;
