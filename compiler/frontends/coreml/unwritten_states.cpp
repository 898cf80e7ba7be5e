// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/unwritten_states.h"

#include "compiler/frontends/coreml/input_roles.h"
#include "plugins/quotes.h"

#include <algorithm>
#include <set>

namespace kvasir::coreml {
namespace {

bool isWritten(const std::vector<StateFlow> &flows, const std::string &state) {
  return std::any_of(flows.begin(), flows.end(), [&](const StateFlow &flow) { return flow.writesState(state); });
}

bool takesTokens(const StateFlow &flow) {
  const Function &function = *flow.function;
  return std::any_of(function.inputs.begin(), function.inputs.end(), [&](ValueId input) {
    const InputRole role = roleOf(function.values[input]);
    return role == InputRole::tokens || role == InputRole::position;
  });
}

/// The dims in ascending order: keys are often kept transposed.
std::vector<int64_t> extentsOf(const StateFlow &flow, ValueId state) {
  std::vector<int64_t> extents = flow.function->values[state].type.tensor.dims;
  std::sort(extents.begin(), extents.end());
  return extents;
}

/// A written state of the same extents: "" if there is none.
std::string likeWritten(const std::vector<StateFlow> &flows, const std::vector<int64_t> &extents) {
  for (const StateFlow &flow : flows)
    for (const StateAccess &write : flow.writes)
      if (extentsOf(flow, write.state) == extents)
        return flow.function->nameOf(write.state);
  return "";
}

const StateAccess *firstRead(const StateFlow &flow, ValueId state) {
  const auto found =
      std::find_if(flow.reads.begin(), flow.reads.end(), [&](const StateAccess &read) { return read.state == state; });
  return found == flow.reads.end() ? nullptr : &*found;
}

bool hasUpdate(const StateFlow &flow, ValueId state) {
  return std::any_of(flow.updates.begin(), flow.updates.end(),
                     [&](const StateUpdate &update) { return update.state == state; });
}

Finding unwritten(const StateFlow &flow, const StateAccess &read, const std::string &like, Severity severity) {
  const std::string &state = flow.function->nameOf(read.state);
  Finding finding{BugClass::neverWritten, severity, flow.function->name, state, "", "", "", ""};
  // Of what a host may fill nothing is expected.
  if (severity == Severity::error)
    finding.rowsWritten = "[]";
  finding.text = "function " + inQuotes(flow.function->name) + ", state " + inQuotes(state) + ": is read at op " +
                 std::to_string(read.operation->index) + ", and no function of the package writes it" +
                 (like.empty() ? "" : ", though state " + inQuotes(like) + " of the same extents is written") +
                 ": it stays zero, unless the host fills it; in PyTorch assign into the registered buffer itself "
                 "(self." +
                 state +
                 "[:, a:b] = x), not into a view, a transposition, a concatenation or .data of it; in MIL add "
                 "write_state(input=" +
                 state + ", data=its new rows)";
  return finding;
}

/// What comes from the function's inputs, states apart.
void followInputs(const Block &block, std::set<ValueId> &values) {
  for (const Operation &operation : block.operations) {
    for (const Block &inner : operation.blocks)
      followInputs(inner, values);
    const bool isFromInput = std::any_of(operation.inputs.begin(), operation.inputs.end(), [&](const auto &operands) {
      return std::any_of(operands.second.begin(), operands.second.end(),
                         [&](const Operand &operand) { return operand.value && values.count(*operand.value); });
    });
    if (isFromInput)
      values.insert(operation.outputs.begin(), operation.outputs.end());
  }
}

bool isFiller(const StateFlow &flow, const std::string &state) {
  const auto isOfState = [&](ValueId value) { return flow.function->nameOf(value) == state; };
  std::set<ValueId> fromInputs;
  for (const ValueId input : flow.function->inputs)
    if (flow.function->values[input].type.kind == TypeKind::tensor)
      fromInputs.insert(input);
  followInputs(flow.function->body, fromInputs);
  const bool updatesRows = std::any_of(flow.updates.begin(), flow.updates.end(),
                                       [&](const StateUpdate &update) { return isOfState(update.state); });
  return !takesTokens(flow) && !updatesRows &&
         std::any_of(flow.writes.begin(), flow.writes.end(), [&](const StateAccess &write) {
           const Operand *content = write.operation->find("data");
           return isOfState(write.state) && content && content->value && fromInputs.count(*content->value);
         });
}

} // namespace

bool areFillers(const std::vector<StateFlow> &flows, const std::string &state) {
  return std::all_of(flows.begin(), flows.end(),
                     [&](const StateFlow &flow) { return !flow.writesState(state) || isFiller(flow, state); });
}

std::vector<Finding> findUnwrittenStates(const std::vector<StateFlow> &flows) {
  const bool writesNone = std::all_of(flows.begin(), flows.end(), [](const StateFlow &f) { return f.writes.empty(); });
  const bool losesAll = writesNone && std::any_of(flows.begin(), flows.end(), takesTokens);
  std::vector<Finding> findings;
  for (const StateFlow &flow : flows)
    for (ValueId state : flow.states) {
      const StateAccess *read = firstRead(flow, state);
      if (!read || hasUpdate(flow, state) || isWritten(flows, flow.function->nameOf(state)))
        continue;
      const std::string like = likeWritten(flows, extentsOf(flow, state));
      const Severity severity = losesAll || !like.empty() ? Severity::error : Severity::warning;
      findings.push_back(unwritten(flow, *read, like, severity));
    }
  return findings;
}

} // namespace kvasir::coreml
