// SPDX-License-Identifier: MIT
// What an audit says: for people, for programs, as a page.
#ifndef KVASIR_RUNTIME_AUDIT_REPORT_H
#define KVASIR_RUNTIME_AUDIT_REPORT_H

#include "runtime/audit/row_map.h"

namespace kvasir::runtime::audit {

/// One check and what it looked at.
struct CheckRecord {
  std::string name;
  std::string line;        ///< "152 rows of 30 layers are the same bits token by token"
  double seconds = 0;      ///< of all its calls
  double plainSeconds = 0; ///< rows: of the same calls without the audit; others: of the audited conversation's
  size_t numFindings = 0;
};

/// What is in one row of one layer, or in several rows side by side.
struct RowStatistics {
  float norm = 0, min = 0, max = 0; ///< of the finite elements; norm: the largest of the rows
  uint64_t numNan = 0;              ///< and infinities
};

/// A slot of the drawn conversation: [columns, layers], `rowsPerColumn` rows side by side in one column.
struct SlotPicture {
  size_t slot;
  uint64_t rowsPerColumn;
  std::vector<RowGrid::Cell> cells;
  std::vector<uint32_t> calls; ///< [columns] that wrote the column's last row
  std::vector<RowStatistics> statistics;
};

struct Report {
  std::string model, backend, numerics;
  bool isVerified = false, isInvariant = false;
  std::vector<SlotDescription> slots;
  std::vector<int32_t> ids; ///< of the drawn conversation, as far as they are known
  std::vector<CheckRecord> checks;
  std::vector<CallRecord> calls;
  std::vector<Finding> findings;
  std::vector<SlotPicture> pictures;
  std::string verdict; ///< one sentence

  bool isClean() const { return findings.empty(); }
};

/// What the row map saw of calls that appended so many tokens.
std::string rowsLine(uint64_t tokens, const std::vector<CallRecord> &calls);

/// The picture of every cache; `state` gives the statistics and may be null. At most about 1000 columns each.
std::vector<SlotPicture> drawSlots(const std::vector<SlotDescription> &slots, const RowGrid &grid, const State *state);

/// Some lines for a terminal, the verdict last.
std::string reportText(const Report &report);

/// One object; README.md says what is in it.
std::string reportJson(const Report &report);

/// A page of its own that needs nothing from elsewhere.
std::string reportHtml(const Report &report);

} // namespace kvasir::runtime::audit

#endif
