// SPDX-License-Identifier: MIT
// An audit of a Core ML package: what kvasir-compile says of its programs, then what its functions do.
#ifndef KVASIR_RUNTIME_TOOLS_AUDIT_PACKAGE_H
#define KVASIR_RUNTIME_TOOLS_AUDIT_PACKAGE_H

#include <string>

namespace kvasir::tools {

struct PackageAuditOptions {
  std::string package, against, backend, page; ///< page: empty, or a file for the report as a page
  bool printsJson = false;
};

/// Is it the path of a package?
bool isPackage(const std::string &path);

/// Prints the report; kFailed if it has an error, 3 if it has none but no function could be called. Throws Failed if
/// the package can't be read.
int auditPackage(const PackageAuditOptions &options);

} // namespace kvasir::tools

#endif
