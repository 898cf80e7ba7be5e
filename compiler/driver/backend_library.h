// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_BACKEND_LIBRARY_H
#define KVASIR_DRIVER_BACKEND_LIBRARY_H

#include "backends/backend.h"

namespace kvasir {

/// The folders where libraries of backends are looked for, in this order: `first`, those of the environment's
/// KVASIR_BACKEND_PATH (a colon between two), and kvasir/backends beside the compiler's own library.
std::vector<std::string> backendFolders(llvm::ArrayRef<std::string> first);

/// Loads a backend's library, by its name (libkvasir-NAME.so in the first of `folders` that has it) or by a path
/// (anything with a slash or that ends in .so), and makes the backend. The library stays loaded until the process ends:
/// MLIR keeps addresses of what it registered.
///
/// Errors, in one line: there is none (says where was looked and what there is instead) · the file is no backend · it
/// is of another build (says both ids; found in the file, before any of its code runs) · the linker refuses it.
llvm::Expected<std::unique_ptr<Backend>> loadBackend(const std::string &nameOrPath,
                                                     llvm::ArrayRef<std::string> folders);

} // namespace kvasir

#endif
