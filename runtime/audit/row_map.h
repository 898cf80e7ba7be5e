// SPDX-License-Identifier: MIT
// Which rows of which slot and layer each call wrote.
#ifndef KVASIR_RUNTIME_AUDIT_ROW_MAP_H
#define KVASIR_RUNTIME_AUDIT_ROW_MAP_H

#include "runtime/audit/finding.h"
#include "runtime/audit/watch.h"
#include "runtime/model/observer.h"

namespace kvasir::runtime::audit {

/// One execute that was watched.
struct CallRecord {
  std::string check, function;
  uint64_t start = 0, tokens = 0; ///< of its first sequence; of all
  size_t numSequences = 1;
  uint64_t numRows = 0;    ///< of all layers and slots that were written whole
  double seconds = 0;      ///< with everything that the audit did
  double plainSeconds = 0; ///< of the first of its runs
  bool hasFindings = false, failed = false;
};

/// What became of each row of one conversation.
class RowGrid {
public:
  enum class Cell : uint8_t { empty, written, partlyWritten, notWritten, wrong };
  static constexpr uint32_t kNoCall = ~uint32_t{0};

  explicit RowGrid(const std::vector<SlotDescription> &slots) : slots(slots), cells(slots.size()) {}

  void set(size_t slot, uint64_t layer, uint64_t row, Cell cell, uint32_t call);
  /// Marks a row wrong; the call that wrote it stays.
  void markWrong(size_t slot, uint64_t layer, uint64_t row);
  Cell cell(size_t slot, uint64_t layer, uint64_t row) const { return cells[slot][row * slots[slot].layers + layer]; }
  uint32_t call(uint64_t row) const { return row < calls.size() ? calls[row] : kNoCall; }
  uint64_t rows() const { return calls.size(); }

private:
  const std::vector<SlotDescription> &slots;
  std::vector<std::vector<Cell>> cells; ///< [slot][row, layer]
  std::vector<uint32_t> calls;          ///< [row] the call that wrote it
};

/// Watches calls: runs each execute with two different finite fills in the rows that it must write, and holds all else
/// against what it was. Findings go to the book. The rows, registers and outputs that stand are those of the last run.
/// Cost: two executes, and about 5 ns for each stored element of new rows.
class RowMap final : public Observer {
public:
  RowMap(const std::vector<SlotDescription> &slots, FindingBook &book);

  void around(const ObservedExecute &observed, const std::function<void()> &execute) override;

  /// What findings of the next calls belong to.
  void setCheck(std::string name) { check = std::move(name); }

  const std::vector<CallRecord> &calls() const { return records; }
  const RowGrid &grid() const { return rowGrid; }
  RowGrid &grid() { return rowGrid; }

private:
  class Run;

  const std::vector<SlotDescription> &slots;
  FindingBook &book;
  std::vector<Cells> cells;
  Buffers buffers;
  std::string check = "rows";
  const State *drawn = nullptr; ///< whose rows are drawn: the first that has a call
  std::vector<CallRecord> records;
  RowGrid rowGrid;
};

} // namespace kvasir::runtime::audit

#endif
