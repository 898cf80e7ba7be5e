// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_COREML_PACKAGE_H
#define KVASIR_DRIVER_COREML_PACKAGE_H

#include "compiler/driver/source_program.h"

#include "llvm/Support/Error.h"

namespace kvasir {

bool isCoremlPackage(const std::string &path);

/// A package as a program: refused, in at most six lines, if its functions lose state, unless options.unverified; if it
/// has ops that are not known, with all of them.
llvm::Expected<std::unique_ptr<SourceProgram>> openCoremlPackage(const CompileOptions &options);

/// Prints how a package's functions keep their states to standard output. Fails if one loses
/// state, or with what keeps the package from being read.
llvm::Error reportCoremlPackage(const CompileOptions &options);

} // namespace kvasir

#endif
