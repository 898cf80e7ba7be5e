// SPDX-License-Identifier: MIT
#include "runtime/audit/report.h"

#include "runtime/audit/compare.h"
#include "runtime/state/rows.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace kvasir::runtime::audit {
namespace {

constexpr uint64_t kMostColumns = 1024;
constexpr size_t kListedFindings = 12;

void addElement(RowStatistics &statistics, double &sum, bool &isFirst, float value) {
  if (!std::isfinite(value)) {
    ++statistics.numNan;
    return;
  }
  sum += double{value} * double{value};
  statistics.min = isFirst ? value : std::min(statistics.min, value);
  statistics.max = isFirst ? value : std::max(statistics.max, value);
  isFirst = false;
}

/// Of `count` rows [count, G D].
RowStatistics describeRows(const std::vector<float> &values, uint64_t count) {
  RowStatistics statistics;
  bool isFirst = true;
  const size_t width = values.size() / std::max<uint64_t>(count, 1);
  for (uint64_t row = 0; row < count; ++row) {
    double sum = 0;
    for (size_t i = 0; i < width; ++i)
      addElement(statistics, sum, isFirst, values[row * width + i]);
    statistics.norm = std::max(statistics.norm, static_cast<float>(std::sqrt(sum)));
  }
  return statistics;
}

SlotPicture drawSlot(const std::vector<SlotDescription> &slots, size_t slot, const RowGrid &grid, const State *state) {
  const uint64_t layers = slots[slot].layers, rows = grid.rows();
  const uint64_t perColumn = std::max<uint64_t>(1, (rows + kMostColumns - 1) / kMostColumns);
  SlotPicture picture{slot, perColumn, {}, {}, {}};
  const uint64_t firstHeld = state ? state->firstHeldRow(slot) : 0;
  for (uint64_t first = 0; first < rows; first += perColumn) {
    const uint64_t end = std::min(first + perColumn, rows);
    picture.calls.push_back(grid.call(end - 1));
    for (uint64_t layer = 0; layer < layers; ++layer) {
      // The worst of the column's rows stands for them.
      auto worst = grid.cell(slot, layer, first);
      for (uint64_t row = first + 1; row < end; ++row)
        worst = std::max(worst, grid.cell(slot, layer, row));
      picture.cells.push_back(worst);
      if (!state || first < firstHeld || end > state->length()) {
        picture.statistics.emplace_back();
        continue;
      }
      std::vector<float> values((end - first) * rowElements(slots[slot]));
      readRows(*state, slot, layer, first, end - first, values.data());
      picture.statistics.push_back(describeRows(values, end - first));
    }
  }
  return picture;
}

std::string costText(const CheckRecord &check) {
  char text[64];
  if (check.plainSeconds <= 0)
    return "";
  std::snprintf(text, sizeof text, "  %5.1f s  %5.1f×", check.seconds, check.seconds / check.plainSeconds);
  return text;
}

} // namespace

std::string rowsLine(uint64_t tokens, const std::vector<CallRecord> &calls) {
  uint64_t numRows = 0;
  for (const CallRecord &call : calls)
    numRows += call.numRows;
  return std::to_string(tokens) + " tokens in " + std::to_string(calls.size()) + " calls: " + std::to_string(numRows) +
         " rows written once, nothing else";
}

std::vector<SlotPicture> drawSlots(const std::vector<SlotDescription> &slots, const RowGrid &grid, const State *state) {
  std::vector<SlotPicture> pictures;
  for (size_t slot = 0; slot < slots.size(); ++slot)
    if (slots[slot].kind == SlotKind::cache && grid.rows() > 0)
      pictures.push_back(drawSlot(slots, slot, grid, state));
  return pictures;
}

std::string reportText(const Report &report) {
  std::string text = report.model + ", " + report.backend + (report.isVerified ? ", verified\n" : ", not verified\n");
  for (const CheckRecord &check : report.checks) {
    char name[32];
    std::snprintf(name, sizeof name, "  %-8s", check.name.c_str());
    const std::string found = check.numFindings == 1 ? "1 finding" : std::to_string(check.numFindings) + " findings";
    text += name + costText(check) + "  " + (check.numFindings ? found : check.line) + "\n";
  }
  if (report.isClean())
    return text + "\n" + report.verdict + "\n";
  const size_t numErrors = std::ranges::count(report.findings, Severity::error, &Finding::severity);
  const size_t numListed = std::min(numErrors, kListedFindings), numLeft = report.findings.size() - numListed;
  for (size_t i = 0; i < numListed; ++i) // errors come first
    text += (i ? "  " : "\n  ") + report.findings[i].sentence + "\n";
  if (numLeft)
    text += "  " + std::to_string(numLeft) + (numLeft == 1 ? " more finding" : " more findings") +
            (numErrors > numListed ? ""
             : numLeft == 1        ? " follows from these"
                                   : " follow from these") +
            "; --all lists them\n";
  return text + "\n" + report.verdict + "\n";
}

} // namespace kvasir::runtime::audit
