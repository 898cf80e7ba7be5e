// SPDX-License-Identifier: MIT
#include "backends/cpu/cpu_backend.h"

/// Found by the driver under the name KVASIR_BACKEND_SYMBOL.
extern "C" __attribute__((visibility("default"))) std::unique_ptr<kvasir::Backend> kvasir_make_backend() {
  return std::make_unique<kvasir::cpu::CpuBackend>();
}
