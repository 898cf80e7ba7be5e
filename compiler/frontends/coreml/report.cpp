// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/report.h"

#include "plugins/json_reader.h"

#include <algorithm>

namespace kvasir::coreml {
namespace {

const char *name(Severity severity) { return severity == Severity::error ? "error" : "warning"; }

/// The first and the last access of a state by a function, and how many there are.
struct AccessSummary {
  std::vector<const StateAccess *> accesses;

  AccessSummary(const std::vector<StateAccess> &all, ValueId state) {
    for (const StateAccess &access : all)
      if (access.state == state)
        accesses.push_back(&access);
  }

  std::string text(const char *verb) const {
    if (accesses.empty())
      return std::string("never ") + verb;
    std::string line = std::string(verb) + " at op ";
    for (size_t i = 0; i < accesses.size() && i < 4; ++i)
      line += (i ? ", " : "") + std::to_string(accesses[i]->operation->index);
    return line + (accesses.size() > 4 ? " and " + std::to_string(accesses.size() - 4) + " more" : "");
  }

  Json json() const {
    Json indices = Json::array();
    for (const StateAccess *access : accesses)
      indices.push_back(access->operation->index);
    return indices;
  }
};

/// "rows [pos, pos + 8)" of the stored updates, each once.
std::string rowsOfUpdates(const StateFlow &flow, ValueId state) {
  std::vector<std::string> parts;
  for (const StateUpdate &update : flow.updates) {
    if (update.state != state || !update.isStored)
      continue;
    std::string part;
    for (const AxisRange &range : update.range)
      part += (part.empty() ? "" : ", ") + (range.isWhole ? ":"
                                            : range.begin ? "from " + text(*range.begin)
                                                          : std::string("from ?"));
    if (std::find(parts.begin(), parts.end(), part) == parts.end())
      parts.push_back(part);
  }
  std::string line;
  for (const std::string &part : parts)
    line += (line.empty() ? " [" : "; [") + part + "]";
  return line;
}

/// The op that a value comes from; nothing for inputs.
std::optional<uint32_t> indexOfMaker(const Block &block, ValueId value) {
  for (const Operation &operation : block.operations) {
    if (std::find(operation.outputs.begin(), operation.outputs.end(), value) != operation.outputs.end())
      return operation.index;
    for (const Block &inner : operation.blocks)
      if (const auto found = indexOfMaker(inner, value))
        return found;
  }
  return std::nullopt;
}

/// For each stored update of a state: the ops that it is and that its new rows come from.
Json updatesOf(const StateFlow &flow, ValueId state) {
  Json updates = Json::array();
  for (const StateUpdate &update : flow.updates) {
    const Operand *rows = update.operation->find("update");
    if (update.state != state || !update.isStored || !rows || !rows->value)
      continue;
    const auto maker = indexOfMaker(flow.function->body, *rows->value);
    updates.push_back({{"op", update.operation->index}, {"from", maker ? Json(*maker) : Json()}});
  }
  return updates;
}

Json jsonOf(const Finding &finding) {
  const auto orNull = [](const std::string &text) { return text.empty() ? Json() : Json(text); };
  return {{"bug_class", int(finding.bugClass)},
          {"severity", name(finding.severity)},
          {"function", orNull(finding.function)},
          {"state", orNull(finding.state)},
          {"rows_written", orNull(finding.rowsWritten)},
          {"rows_expected", orNull(finding.rowsExpected)},
          {"op", orNull(finding.operation)},
          {"text", finding.text}};
}

const StateForm *findForm(const std::vector<StateForm> &forms, const Function &function, ValueId state) {
  const auto found = std::find_if(forms.begin(), forms.end(), [&](const StateForm &form) {
    return form.function == function.name && form.state == function.nameOf(state);
  });
  return found == forms.end() ? nullptr : &*found;
}

std::string formText(const StateForm *form) {
  if (!form)
    return "";
  return form->reason.empty() ? "\n    kept as a row a token: appended and attended, proved to be written"
                              : "\n    kept whole, nothing is proved of its rows: " + form->reason;
}

Json jsonOf(const StateForm &form) {
  if (form.reason.empty())
    return {{"kept", "rows"}};
  return {{"kept", "whole"}, {"reason", form.reason}};
}

} // namespace

bool hasErrors(const std::vector<Finding> &findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding &finding) { return finding.severity == Severity::error; });
}

std::string reportText(const Program &program, const std::vector<Finding> &findings,
                       const std::vector<StateForm> &forms) {
  std::string lines;
  for (const Function &function : program.functions) {
    const StateFlow flow = followStates(function);
    lines += "function " + function.name + "\n";
    for (ValueId state : flow.states)
      lines += "  " + function.nameOf(state) + " " + text(function.values[state].type.tensor) + ": " +
               AccessSummary(flow.reads, state).text("read") + "; " +
               AccessSummary(flow.writes, state).text("written") + rowsOfUpdates(flow, state) +
               formText(findForm(forms, function, state)) + "\n";
  }
  for (const Finding &finding : findings)
    lines += std::string(name(finding.severity)) + ": " + finding.text + "\n";
  return lines;
}

std::string reportJson(const Program &program, const std::vector<Finding> &findings,
                       const std::vector<StateForm> &forms) {
  Json json{{"result", hasErrors(findings) ? "bug"
                       : findings.empty()  ? "clean"
                                           : "warning"},
            {"findings", Json::array()},
            {"functions", Json::array()}};
  for (const Finding &finding : findings)
    json["findings"].push_back(jsonOf(finding));
  for (const Function &function : program.functions) {
    const StateFlow flow = followStates(function);
    Json states = Json::array();
    for (ValueId state : flow.states) {
      states.push_back({{"name", function.nameOf(state)},
                        {"type", text(function.values[state].type.tensor)},
                        {"reads", AccessSummary(flow.reads, state).json()},
                        {"writes", AccessSummary(flow.writes, state).json()},
                        {"updates", updatesOf(flow, state)}});
      if (const StateForm *form = findForm(forms, function, state))
        states.back().update(jsonOf(*form));
    }
    json["functions"].push_back({{"name", function.name}, {"states", std::move(states)}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace kvasir::coreml
