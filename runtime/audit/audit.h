// SPDX-License-Identifier: MIT
// Does each token reach its row of every layer of every slot, whoever made the plugin?
#ifndef KVASIR_RUNTIME_AUDIT_AUDIT_H
#define KVASIR_RUNTIME_AUDIT_AUDIT_H

#include "runtime/audit/report.h"
#include "runtime/model/model.h"

#include <cstdint>

namespace kvasir::runtime::audit {

struct AuditOptions {
  std::vector<int32_t> ids = {};        ///< the prompt; none: made up
  uint64_t chunkTokens = 0;             ///< of a call of the prompt; 0: all at once
  std::vector<std::string> checks = {}; ///< names of checks; none: all
  uint64_t seed = 1;                    ///< of the random cuts
  const CancelFlag *cancel = nullptr;
  Model *against = nullptr; ///< another plugin of the same model
};

/// Names of the checks, in the order in which they run.
std::vector<std::string> checkNames();

/// Runs the checks on conversations of its own. Throws bad input for options that the model can't do, `cancelled`,
/// `unsupported` if no function takes tokens alone. What the plugin does wrong is in the report.
Report runAudit(Model &model, const AuditOptions &options);

/// Audits the calls of others: their requests name `observer()`. One thread at a time.
class LiveAudit {
public:
  explicit LiveAudit(const Model &model)
      : model(model), book(model.description().slots, model.description().functions.size() > 1),
        map(model.description().slots, book) {}

  Observer *observer() { return &map; }
  bool isClean() const { return book.empty(); }
  /// What was seen so far. Without statistics of rows: the states are others'.
  Report report() const;

private:
  const Model &model;
  FindingBook book;
  RowMap map;
};

} // namespace kvasir::runtime::audit

#endif
