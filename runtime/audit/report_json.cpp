// SPDX-License-Identifier: MIT
#include "plugins/json_reader.h"
#include "runtime/audit/report.h"

#include <cstdio>
#include <cstdlib>

namespace kvasir::runtime::audit {
namespace {

constexpr const char *kCellNames[] = {"empty", "written", "partly-written", "not-written", "wrong"};

/// The number in five digits: the page and people need no more.
double shortened(float number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", number);
  return std::strtod(text, nullptr);
}

Json toJson(const Finding &finding, const std::vector<SlotDescription> &slots) {
  Json rows = Json::array(), layers = Json::array();
  for (const RowSet::Range &range : finding.rows.all())
    rows.push_back({range.begin, range.end - 1});
  Json json = {{"class", kindName(finding.topic.kind)},
               {"severity", finding.severity == Severity::error ? "error" : "follows"},
               {"sentence", finding.sentence},
               {"check", finding.topic.check},
               {"function", finding.topic.function}};
  if (finding.topic.slot != kNoSlot) {
    json["slot"] = slots[finding.topic.slot].name;
    json["layers"] = {finding.firstLayer, finding.endLayer - 1};
  }
  json["rows"] = rows;
  json["sequence"] = finding.topic.sequence;
  json["calls"] = finding.callTokens;
  return json;
}

Json toJson(const CallRecord &call) {
  return {{"check", call.check},
          {"function", call.function},
          {"start", call.start},
          {"tokens", call.tokens},
          {"sequences", call.numSequences},
          {"rows_written", call.numRows},
          {"seconds", call.seconds},
          {"plain_seconds", call.plainSeconds},
          {"failed", call.failed},
          {"has_findings", call.hasFindings}};
}

Json toJson(const SlotPicture &picture, const std::vector<SlotDescription> &slots) {
  Json cells = Json::array(), statistics = Json::array();
  const uint64_t layers = slots[picture.slot].layers;
  for (size_t column = 0; column < picture.calls.size(); ++column) {
    Json own = Json::array(), numbers = Json::array();
    for (uint64_t layer = 0; layer < layers; ++layer) {
      own.push_back(static_cast<int>(picture.cells[column * layers + layer]));
      const RowStatistics &row = picture.statistics[column * layers + layer];
      numbers.push_back({shortened(row.norm), shortened(row.min), shortened(row.max), row.numNan});
    }
    cells.push_back(std::move(own));
    statistics.push_back(std::move(numbers));
  }
  return {{"slot", slots[picture.slot].name}, {"layers", layers},          {"rows_per_column", picture.rowsPerColumn},
          {"calls", picture.calls},           {"cells", std::move(cells)}, {"statistics", std::move(statistics)}};
}

} // namespace

std::string reportJson(const Report &report) {
  Json checks = Json::array(), findings = Json::array(), calls = Json::array(), slots = Json::array();
  for (const CheckRecord &check : report.checks)
    checks.push_back({{"name", check.name},
                      {"line", check.line},
                      {"findings", check.numFindings},
                      {"seconds", check.seconds},
                      {"plain_seconds", check.plainSeconds}});
  for (const Finding &finding : report.findings)
    findings.push_back(toJson(finding, report.slots));
  for (const CallRecord &call : report.calls)
    calls.push_back(toJson(call));
  for (const SlotPicture &picture : report.pictures)
    slots.push_back(toJson(picture, report.slots));
  const Json json = {{"format", 1},
                     {"model", report.model},
                     {"backend", report.backend},
                     {"verified", report.isVerified},
                     {"numerics", report.numerics},
                     {"invariant", report.isInvariant},
                     {"clean", report.isClean()},
                     {"verdict", report.verdict},
                     {"checks", checks},
                     {"findings", findings},
                     {"calls", calls},
                     {"ids", report.ids},
                     {"cell_names", kCellNames},
                     {"slots", slots}};
  return jsonText(json);
}

} // namespace kvasir::runtime::audit
