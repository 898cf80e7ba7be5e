// SPDX-License-Identifier: MIT
// What the checks of one audit share.
#ifndef KVASIR_RUNTIME_AUDIT_CONTEXT_H
#define KVASIR_RUNTIME_AUDIT_CONTEXT_H

#include "runtime/audit/compare.h"
#include "runtime/audit/plan.h"

#include <map>
#include <optional>

namespace kvasir::runtime::audit {

/// One conversation that was run: its state is its rows.
struct Conversation {
  std::unique_ptr<State> state;
  std::map<uint64_t, OutputRow> outputs; ///< by the number of tokens held
};

/// A conversation that can't be run further ends with what failed.
class Context {
public:
  Context(Model &model, const AuditOptions &options);

  /// Runs `ids` in calls of these lengths on a new state; several tokens by the prefill function, single ones by the
  /// step function. A call that fails is a finding of `check`, and ends the conversation.
  Conversation converse(const std::string &check, std::span<const int32_t> ids, const Cuts &cuts,
                        Observer *observer = nullptr);

  /// Adds a call of tokens from `first` on that failed as a finding. Throws what is no fault of the plugin: it was
  /// cancelled, or found no memory.
  void addFailure(const Error &error, Topic failed, uint64_t first, uint64_t tokens);

  /// The audited conversation of the plan, run once, by whoever asks first.
  Conversation &audited();
  /// The same tokens one by one, not audited.
  Conversation &tokenByToken();
  const RowIndex &tokenByTokenIndex();

  Caller &callerFor(size_t numTokens) { return numTokens == 1 ? step : prefill; }
  double plainSeconds(); ///< of the audited conversation's calls

  Topic topic(Kind kind, const std::string &check, size_t slot, size_t numTokens) const;
  /// What rows of states that may differ by rounding are allowed; nothing for a plugin that is invariant.
  Tolerance tolerance(size_t slot) const;
  void requireNotCancelled() const;

  Model &model;
  const AuditOptions &options;
  const Plan plan;
  FindingBook book;
  RowMap map;
  Caller prefill, step;

private:
  std::optional<Conversation> auditedOne, singleOne;
  std::optional<RowIndex> singleIndex;
};

/// Compares two conversations' rows and outputs and adds what differs, as rows in the wrong place where they are
/// found in `index` (may be null), else as `kind`. Rows that were not written in the audited conversation are left
/// out if `state` is the audited one's. Returns how many rows were compared.
struct Comparison {
  Kind kind;
  std::string check;
  const Conversation &tested, &expected;
  const Cuts &cuts; ///< of the tested one
  uint64_t endRow;
  size_t sequence = 0, numSequences = 1;
  const RowIndex *index = nullptr;
};
uint64_t compareConversations(Context &context, const Comparison &comparison);

} // namespace kvasir::runtime::audit

#endif
