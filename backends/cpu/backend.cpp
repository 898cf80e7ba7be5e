// SPDX-License-Identifier: MIT
#include "backends/cpu/cpu_backend.h"

#pragma clang diagnostic ignored "-Wreturn-type-c-linkage" // the border is between C++ of one build
/// Found by the driver under the name KVASIR_BACKEND_SYMBOL.
extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<kvasir::cpu::CpuBackend>();
}
