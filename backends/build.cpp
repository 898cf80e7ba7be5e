// SPDX-License-Identifier: MIT
// Goes into the library of every backend: which build it is of, for the driver to compare with its own.
#include "compiler/driver/build_id.h"

extern "C" __attribute__((visibility("default"))) const char kvasir_backend_build[] = KVASIR_BUILD_ID;
