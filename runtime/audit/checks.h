// SPDX-License-Identifier: MIT
// What an audit looks at, one after the other.
#ifndef KVASIR_RUNTIME_AUDIT_CHECKS_H
#define KVASIR_RUNTIME_AUDIT_CHECKS_H

#include "runtime/audit/context.h"

#include <span>

namespace kvasir::runtime::audit {

struct Check {
  const char *name;
  /// Adds findings to the context's book; returns the line that says what was looked at.
  std::string (*run)(Context &context);
};

/// In the order in which they run.
std::span<const Check> allChecks();

std::string checkRows(Context &context);
std::string checkDecode(Context &context);
std::string checkChunks(Context &context);
std::string checkBatch(Context &context);
std::string checkPerturbation(Context &context);
std::string checkCancel(Context &context);
std::string checkAgainst(Context &context);

} // namespace kvasir::runtime::audit

#endif
