// SPDX-License-Identifier: MIT
#include "tests/coreml/cases/verdict.h"

#include "runtime/imported/subprocess.h"

#include <algorithm>

namespace kvasir::coreml_cases {
namespace {

struct Key {
  int bugClass;
  std::string severity, function, state;

  bool operator==(const Key &) const = default;
};

std::string orNone(const Json &finding, const char *name) {
  return finding.contains(name) && finding[name].is_string() ? finding[name].get<std::string>() : "";
}

Key keyOf(const Json &finding) {
  return {member(finding, "bug_class").get<int>(), textOf(finding, "severity"), orNone(finding, "function"),
          orNone(finding, "state")};
}

std::string text(const Key &key) {
  return "class " + std::to_string(key.bugClass) + " " + key.severity +
         (key.function.empty() ? "" : ", function " + key.function) + (key.state.empty() ? "" : ", state " + key.state);
}

/// Rows as a list of ranges and as text are compared as text without spaces.
std::string rowsText(const Json &rows) {
  std::string line;
  if (rows.is_string())
    for (const char letter : rows.get<std::string>())
      line += letter == ' ' ? "" : std::string(1, letter);
  if (!rows.is_array())
    return line;
  for (const Json &range : rows)
    line += (line.empty() ? "[" : ",[") + range.at(0).dump() + "," + range.at(1).dump() + ")";
  return line.empty() ? "[]" : line;
}

/// Empty if the expected finding says nothing of rows, or the same.
std::string differenceOfRows(const Json &expected, const Json &found) {
  constexpr std::pair<const char *, const char *> kRows[] = {
      {"rows", "rows_written"}, {"rows_written", "rows_written"}, {"rows_expected", "rows_expected"}};
  for (const auto &[due, name] : kRows)
    if (expected.contains(due) && rowsText(expected[due]) != rowsText(found.value(name, Json())))
      return std::string(name) + " " + found.value(name, Json()).dump() + ", expected " + expected[due].dump();
  return "";
}

} // namespace

std::vector<std::string> differencesOfVerdicts(const Json &expected, const Json &found) {
  std::vector<std::string> lines;
  std::vector<Json> rest = member(found, "findings").get<std::vector<Json>>();
  for (const Json &due : member(expected, "verdict").value("findings", Json::array())) {
    const Key key = keyOf(due);
    const auto same = std::ranges::find_if(rest, [&](const Json &finding) { return keyOf(finding) == key; });
    if (same == rest.end()) {
      lines.push_back("not found: " + text(key));
      continue;
    }
    if (const std::string line = differenceOfRows(due, *same); !line.empty())
      lines.push_back(text(key) + ": " + line);
    rest.erase(same);
  }
  for (const Json &finding : rest)
    lines.push_back("not expected: " + text(keyOf(finding)) + ": " + orNone(finding, "text"));
  return lines;
}

Json auditPackage(const std::filesystem::path &package, const std::filesystem::path &against,
                  const std::string &backend) {
  std::vector<std::string> arguments = {"audit", package.string(), "--json"};
  if (!against.empty())
    arguments.insert(arguments.end(), {"--against", against.string()});
  if (!backend.empty())
    arguments.insert(arguments.end(), {"--backend", backend});
  const imported::Ran ran = imported::runProgram(imported::findProgram("kvasir"), arguments);
  const Json found = Json::parse(ran.out, nullptr, false);
  if (found.is_discarded())
    throw std::runtime_error("kvasir audit fails: " + (ran.err.empty() ? "it says nothing" : ran.err));
  return found;
}

std::string caseComparedWith(const Json &expected) {
  for (const Json &finding : member(expected, "verdict").value("findings", Json::array()))
    if (finding.contains("against"))
      return textOf(finding, "against");
  return "";
}

} // namespace kvasir::coreml_cases
