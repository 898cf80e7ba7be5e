// SPDX-License-Identifier: MIT
// Which tokens an audit runs, and in which calls.
#ifndef KVASIR_RUNTIME_AUDIT_PLAN_H
#define KVASIR_RUNTIME_AUDIT_PLAN_H

#include "runtime/audit/audit.h"
#include "runtime/audit/caller.h"

namespace kvasir::runtime::audit {

/// Lengths of calls, one after the other.
using Cuts = std::vector<uint64_t>;

struct Plan {
  size_t prefill = 0, step = 0;     ///< functions: for several tokens, and for one
  std::vector<size_t> others;       ///< functions that can be called, too
  std::vector<std::string> skipped; ///< functions that can't
  Ids ids;                          ///< the whole audited conversation
  uint64_t promptTokens = 0;
  Cuts cuts;                    ///< of the audited conversation: the prompt, then steps and a short call
  std::vector<Cuts> randomCuts; ///< of the same tokens
};

/// Throws `unsupported` if there is no function of tokens; bad input if the prompt is beyond the context or vocabulary.
Plan makePlan(const Model &model, const AuditOptions &options);

} // namespace kvasir::runtime::audit

#endif
