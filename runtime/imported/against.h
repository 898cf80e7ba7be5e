// SPDX-License-Identifier: MIT
// Two packages of what should be one program.
#ifndef KVASIR_RUNTIME_IMPORTED_AGAINST_H
#define KVASIR_RUNTIME_IMPORTED_AGAINST_H

#include "runtime/imported/package_finding.h"
#include "runtime/imported/program.h"

namespace kvasir::imported {

/// Calls each function that both have three times on a state of its own, with the same made-up inputs, and says where
/// outputs or states differ. `other` is what the right program is called.
std::vector<PackageFinding> compareWith(const Program &program, const Program &right, const std::string &other);

} // namespace kvasir::imported

#endif
