// SPDX-License-Identifier: MIT
#include "runtime/audit/audit.h"

#include "runtime/audit/checks.h"

#include <algorithm>
#include <chrono>

namespace kvasir::runtime::audit {
namespace {

void requireChecks(const std::vector<std::string> &wanted) {
  const auto names = checkNames();
  for (const std::string &name : wanted)
    if (std::ranges::find(names, name) == names.end())
      throw Error(KV_BAD_INPUT, "no check is called '" + name + "'; there are " + listText(names));
}

bool isWanted(const AuditOptions &options, const std::string &name) {
  if (name == "against")
    return options.against;
  return options.checks.empty() || std::ranges::find(options.checks, name) != options.checks.end();
}

Report describe(const Model &model) {
  const Description &description = model.description();
  Report report;
  report.model = description.model.name;
  report.backend = description.backend;
  report.numerics = description.numerics.id;
  report.isVerified = description.verified;
  report.isInvariant = description.numerics.invariant;
  report.slots = description.slots;
  return report;
}

/// "each of 148 tokens reached its row in all 30 layers of k and v".
std::string cleanVerdict(const Report &report, uint64_t tokens) {
  std::vector<std::string> names;
  uint64_t layers = 0;
  bool areAlike = true;
  for (const SlotDescription &slot : report.slots)
    if (slot.kind == SlotKind::cache) {
      areAlike &= names.empty() || slot.layers == layers;
      layers = slot.layers;
      names.push_back(slot.name);
    }
  if (names.empty())
    return "nothing wrong was found; the model has no cache";
  const std::string which = areAlike && layers > 1 ? "all " + std::to_string(layers) + " layers" : "every layer";
  return "each of " + std::to_string(tokens) + " tokens reached its row in " + which + " of " + listText(names);
}

std::string verdictOf(const Report &report, uint64_t tokens) {
  if (report.findings.empty())
    return cleanVerdict(report, tokens);
  const size_t more = std::ranges::count(report.findings, Severity::error, &Finding::severity) - 1;
  return report.findings[0].sentence + (more ? " (and " + std::to_string(more) + " more)" : "");
}

void countFindings(Report &report) {
  for (CheckRecord &check : report.checks)
    check.numFindings = std::ranges::count_if(
        report.findings, [&](const Finding &finding) { return finding.topic.check == check.name; });
}

} // namespace

std::vector<std::string> checkNames() {
  std::vector<std::string> names;
  for (const Check &check : allChecks())
    names.push_back(check.name);
  return names;
}

Report runAudit(Model &model, const AuditOptions &options) {
  requireChecks(options.checks);
  Context context(model, options);
  Report report = describe(model);
  for (const Check &check : allChecks()) {
    if (!isWanted(options, check.name))
      continue;
    context.requireNotCancelled();
    const auto begin = std::chrono::steady_clock::now();
    CheckRecord record{check.name, check.run(context)};
    record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    record.plainSeconds = context.plainSeconds();
    report.checks.push_back(std::move(record));
  }
  const State &state = *context.audited().state;
  report.calls = context.map.calls();
  report.ids = context.plan.ids;
  report.findings = context.book.finish();
  report.pictures = drawSlots(report.slots, context.map.grid(), &state);
  report.verdict = verdictOf(report, state.length());
  countFindings(report);
  return report;
}

Report LiveAudit::report() const {
  Report report = describe(model);
  report.calls = map.calls();
  report.findings = book.finish();
  report.pictures = drawSlots(report.slots, map.grid(), nullptr);
  CheckRecord rows{"rows", ""};
  uint64_t tokens = 0;
  for (const CallRecord &call : report.calls) {
    rows.seconds += call.seconds;
    rows.plainSeconds += call.plainSeconds;
    tokens += call.failed ? 0 : call.tokens;
  }
  rows.line = rowsLine(tokens, report.calls);
  report.checks.push_back(rows);
  report.verdict = verdictOf(report, tokens);
  countFindings(report);
  return report;
}

} // namespace kvasir::runtime::audit
