// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_BACKEND_LIBRARY_H
#define KVASIR_DRIVER_BACKEND_LIBRARY_H

#include "backends/backend.h"

namespace kvasir {

/// Where the libraries of backends lie: ../lib/kvasir/backends beside the running program's folder.
std::string backendFolder();

/// Loads a backend's library, by its name or by a path (anything with a slash), and makes the backend. Fails, in one
/// line that names the backends there are, if there is none, and if the library is not of this build. The library stays
/// loaded until the process ends: MLIR keeps addresses of what it registered.
llvm::Expected<std::unique_ptr<Backend>> loadBackend(const std::string &nameOrPath);

} // namespace kvasir

#endif
