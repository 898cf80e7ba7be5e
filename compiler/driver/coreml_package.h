// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_COREML_PACKAGE_H
#define KVASIR_DRIVER_COREML_PACKAGE_H

#include "compiler/driver/options.h"

#include "llvm/Support/Error.h"

namespace kvasir {

bool isCoremlPackage(const std::string &path);

/// Why a package is not compiled: the states that it loses, one line each, or that compiling it is not supported.
llvm::Error refuseCoremlPackage(const std::string &path);

/// Prints how a package's functions keep their states to standard output. Fails if one loses
/// state, or with what keeps the package from being read.
llvm::Error reportCoremlPackage(const CompileOptions &options);

} // namespace kvasir

#endif
