// SPDX-License-Identifier: MIT
// Sets of rows, and how they are said.
#ifndef KVASIR_RUNTIME_AUDIT_ROW_SET_H
#define KVASIR_RUNTIME_AUDIT_ROW_SET_H

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::runtime::audit {

/// Whole numbers as ranges, ascending, none touching the next.
class RowSet {
public:
  struct Range {
    uint64_t begin, end;
    bool operator==(const Range &) const = default;
  };

  void add(uint64_t row) { add(row, row + 1); }
  /// Adds [begin, end). Cost: constant beyond the last range, else linear.
  void add(uint64_t begin, uint64_t end);

  uint64_t size() const;
  const std::vector<Range> &all() const { return ranges; }
  bool operator==(const RowSet &) const = default;

private:
  std::vector<Range> ranges;
};

/// "row 3", "rows 0–7", "rows 0, 2 and 5–9"; at most a few ranges are listed: "rows 0, 2, 4, 6 and 40 more".
/// `noun` is the singular.
std::string rangesText(const std::string &noun, const RowSet &rows);

/// The numbers without a noun, each `shift` further.
std::string rangesText(const RowSet &rows, int64_t shift);

/// "a", "a and b", "a, b and c".
std::string listText(const std::vector<std::string> &words);

} // namespace kvasir::runtime::audit

#endif
