// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/findings.h"

#include "compiler/frontends/coreml/input_roles.h"
#include "compiler/frontends/coreml/unwritten_states.h"
#include "plugins/quotes.h"

#include <algorithm>
#include <set>

namespace kvasir::coreml {
namespace {

const std::string &stateName(const StateFlow &flow, ValueId state) { return flow.function->nameOf(state); }

/// "[pos, pos + 8)"
std::string rowsText(const IndexExpression &begin, int64_t count) {
  IndexExpression end = begin;
  end.constant += count;
  return "[" + text(begin) + ", " + text(end) + ")";
}

/// Looks at all functions of a program together.
class Auditor {
public:
  explicit Auditor(const Program &program) {
    for (const Function &function : program.functions)
      flows.push_back(followStates(function));
    for (const StateFlow &flow : flows)
      findTokenAxes(flow);
  }

  std::vector<Finding> run() {
    findDisagreements();
    for (Finding &finding : findUnwrittenStates(flows))
      findings.push_back(std::move(finding));
    for (const StateFlow &flow : flows) {
      findLostWrites(flow);
      findUnusedInputs(flow);
      findOffsets(flow);
      findReversals(flow);
      findStaleAttention(flow);
      findConditionalWrites(flow);
    }
    return std::move(findings);
  }

private:
  Finding &add(BugClass bugClass, Severity severity, const StateFlow &flow, const std::string &state,
               std::string sentence) {
    findings.push_back(
        {bugClass, severity, flow.function->name, state, "", "", "",
         "function " + inQuotes(flow.function->name) + ", state " + inQuotes(state) + ": " + std::move(sentence)});
    return findings.back();
  }

  static std::string describe(const StateFlow &flow, const Operation &operation) {
    return flow.function->describe(operation);
  }

  /// The axis along which some function places rows where a call says; else along which functions place them
  /// differently.
  void findTokenAxes(const StateFlow &flow) {
    for (const StateUpdate &update : flow.updates)
      for (size_t axis = 0; axis < update.range.size(); ++axis) {
        const AxisRange &range = update.range[axis];
        if (!range.isWhole && (!range.begin || !range.begin->isConstant()))
          tokenAxes[stateName(flow, update.state)].insert(axis);
      }
  }

  // Functions that name one state must mean one tensor.
  void findDisagreements() {
    std::map<std::string, std::map<std::string, std::string>> types; // state -> type -> function
    for (const StateFlow &flow : flows)
      for (ValueId state : flow.states)
        types[stateName(flow, state)].emplace(text(flow.function->values[state].type.tensor), flow.function->name);
    for (const auto &[state, byType] : types) {
      if (byType.size() < 2)
        continue;
      std::string line = "state " + inQuotes(state) + " is ";
      for (auto each = byType.begin(); each != byType.end(); ++each)
        line += (each == byType.begin() ? "" : ", and ") + each->first + " in function " + inQuotes(each->second);
      findings.push_back({BugClass::disagreement, Severity::error, "", state, "", "", "",
                          line + ": no state can serve both; export the functions with one shape"});
    }
    for (const StateFlow &flow : flows)
      findWrongDeclarations(flow);
  }

  void findWrongDeclarations(const StateFlow &flow) {
    for (ValueId state : flow.states) {
      const auto declared = flow.function->declaredStates.find(stateName(flow, state));
      const TensorType &type = flow.function->values[state].type.tensor;
      if (declared != flow.function->declaredStates.end() && declared->second != type)
        add(BugClass::disagreement, Severity::error, flow, declared->first,
            "the description says " + text(declared->second) + ", the program " + text(type));
    }
  }

  /// A function that writes what this one does not, for as many tokens or any; null if there is none.
  const StateFlow *siblingThatWrites(const StateFlow &flow, const std::string &state, bool sameTokens) const {
    for (const StateFlow &other : flows) {
      const bool fits = !sameTokens || (tokensOf(*other.function) != 1) == (tokensOf(*flow.function) != 1);
      if (&other != &flow && other.writesState(state) && fits)
        return &other;
    }
    return nullptr;
  }

  void findLostWrites(const StateFlow &flow) {
    for (ValueId state : flow.states) {
      const std::string &name = stateName(flow, state);
      const StateUpdate *dropped = nullptr;
      for (const StateUpdate &update : flow.updates)
        if (update.state == state && !update.isStored)
          dropped = &update;
      if (!flow.writesState(name))
        addNeverWritten(flow, name, dropped);
      if (dropped)
        addDropped(flow, name, *dropped);
    }
  }

  /// A function that writes no state at all, beside one for as many tokens that does, may be meant to score only.
  Severity severityOfLoss(const StateFlow &flow, const std::string &state) const {
    return flow.writes.empty() && siblingThatWrites(flow, state, true) ? Severity::warning : Severity::error;
  }

  void addNeverWritten(const StateFlow &flow, const std::string &state, const StateUpdate *dropped) {
    const StateFlow *sibling = siblingThatWrites(flow, state, false);
    if (!dropped && (!sibling || areFillers(flows, state)))
      return; // by no function, or by an encoder for the calls to come
    std::string line = "no write_state stores it, so no row of it changes";
    if (sibling)
      line += "; function " + inQuotes(sibling->function->name) + " writes it at op " +
              std::to_string(sibling->findWrite(state)->operation->index);
    Finding &finding = add(BugClass::neverWritten, severityOfLoss(flow, state), flow, state, line);
    finding.rowsWritten = "[]";
    if (dropped)
      finding.rowsExpected = rowsOf(*dropped, state);
  }

  void addDropped(const StateFlow &flow, const std::string &state, const StateUpdate &update) {
    Finding &finding =
        add(BugClass::droppedUpdate, severityOfLoss(flow, state), flow, state,
            describe(flow, *update.operation) + " computes its new rows" + spacedRows(update, state) +
                " and nothing stores them; in PyTorch assign into the buffer itself (cache[:, a:b] = x), not into a "
                "view, a copy or another tensor of it; in MIL add write_state(input=" +
                state + ", data=" + flow.function->nameOf(update.operation->outputs.front()) + ")");
    finding.operation = flow.function->nameOf(update.operation->outputs.front());
    finding.rowsExpected = rowsOf(update, state);
  }

  /// The range of an update along the state's token axis; empty where it is not known.
  std::string rowsOf(const StateUpdate &update, const std::string &state) const {
    const AxisRange *range = tokenRange(update, state);
    return range && range->begin && range->extent != kAnySize ? rowsText(*range->begin, range->extent) : "";
  }

  std::string spacedRows(const StateUpdate &update, const std::string &state) const {
    const std::string rows = rowsOf(update, state);
    return rows.empty() ? "" : " " + rows;
  }

  const AxisRange *tokenRange(const StateUpdate &update, const std::string &state) const {
    const auto axes = tokenAxes.find(state);
    if (axes == tokenAxes.end() || axes->second.size() != 1 || update.range.empty())
      return nullptr;
    return &update.range[*axes->second.begin()];
  }

  void findUnusedInputs(const StateFlow &flow) {
    for (ValueId input : flow.unusedInputs) {
      const Value &value = flow.function->values[input];
      const auto user =
          std::find_if(flows.begin(), flows.end(), [&](const StateFlow &each) { return each.usesInput(value.name); });
      const bool isUsed = user != flows.end();
      const Severity severity = roleOf(value) == InputRole::other && !isUsed ? Severity::warning : Severity::error;
      findings.push_back({BugClass::unusedInput, severity, flow.function->name, "", "", "", value.name,
                          "function " + inQuotes(flow.function->name) + ": input " + inQuotes(value.name) +
                              " changes nothing: no op uses it" +
                              (isUsed ? "; function " + inQuotes(user->function->name) + " does" : "")});
    }
  }

  // Where stored updates put their rows.
  void findOffsets(const StateFlow &flow) {
    std::map<std::string, Placement> placements; // by state and slab
    std::set<ValueId> frozenStates;              // one sentence stands for all layers
    for (const StateUpdate &update : flow.updates) {
      if (!update.isStored || update.range.empty())
        continue;
      const std::string &state = stateName(flow, update.state);
      const AxisRange *range = tokenRange(update, state);
      if (!range || (range->begin && range->begin->isConstant() && !range->isWhole)) {
        const AxisRange *still = range ? range : frozenRange(flow, update, state);
        if (still && frozenStates.insert(update.state).second)
          findings.push_back(frozen(flow, update, state, *still));
      } else if (range->begin && !range->isWhole && range->extent != kAnySize) {
        placements[slabOf(update, range)].add(update, *range);
      }
    }
    std::set<std::pair<ValueId, BugClass>> said;
    for (const auto &[slab, placement] : placements)
      if (const std::optional<Finding> finding = checkPlacement(flow, placement);
          finding && said.insert({placement.update->state, finding->bugClass}).second)
        findings.push_back(*finding);
  }

  /// The rows of one slab of a state that a call writes, in however many pieces.
  struct Placement {
    const StateUpdate *update = nullptr; ///< the last one
    IndexExpression begin;               ///< of the first row
    int64_t numRows = 0;
    bool isOneRun = true; ///< the pieces count from one input

    void add(const StateUpdate &piece, const AxisRange &range) {
      isOneRun &= !update || begin.terms == range.begin->terms;
      if (!update || range.begin->constant < begin.constant)
        begin = *range.begin;
      update = &piece;
      numRows += range.extent;
    }
  };

  /// The state, and where along its other axes the update lies.
  static std::string slabOf(const StateUpdate &update, const AxisRange *tokens) {
    std::string key = std::to_string(update.state);
    for (const AxisRange &range : update.range)
      if (&range != tokens)
        key += "," + (range.isWhole ? "all" : range.begin ? text(*range.begin) : "?");
    return key;
  }

  std::optional<Finding> checkPlacement(const StateFlow &flow, const Placement &placement) const {
    const std::optional<int64_t> tokens = tokensOf(*flow.function);
    if (!placement.isOneRun || placement.begin.terms.size() != 1)
      return std::nullopt;
    if (tokens && placement.numRows < *tokens)
      return wrongRows(flow, placement, BugClass::fewerRows, *tokens);
    if (placement.begin.constant != 0 && startsElsewhere(stateName(flow, placement.update->state), placement.begin))
      return wrongRows(flow, placement, BugClass::wrongOffset, placement.numRows);
    return std::nullopt;
  }

  /// Does another stored update of the state begin at the plain input?
  bool startsElsewhere(const std::string &state, const IndexExpression &begin) const {
    IndexExpression plain = begin;
    plain.constant = 0;
    for (const StateFlow &flow : flows)
      for (const StateUpdate &update : flow.updates) {
        const AxisRange *range = stateName(flow, update.state) == state ? tokenRange(update, state) : nullptr;
        if (range && update.isStored && range->begin == plain)
          return true;
      }
    return false;
  }

  Finding wrongRows(const StateFlow &flow, const Placement &placement, BugClass bugClass, int64_t count) const {
    IndexExpression due = placement.begin;
    due.constant = 0;
    const std::string &state = stateName(flow, placement.update->state);
    Finding finding{bugClass,
                    Severity::error,
                    flow.function->name,
                    state,
                    rowsText(placement.begin, placement.numRows),
                    rowsText(due, count),
                    flow.function->nameOf(placement.update->operation->outputs.front()),
                    ""};
    finding.text =
        "function " + inQuotes(flow.function->name) + ", state " + inQuotes(state) + ": " +
        describe(flow, *placement.update->operation) + " writes rows " + finding.rowsWritten +
        (bugClass == BugClass::fewerRows ? " in a call of " + std::to_string(count) + " tokens, whose rows are "
                                         : "; the rows of the call are ") +
        finding.rowsExpected;
    return finding;
  }

  /// Without an offset that a call says: the axis along which functions place rows at different constants.
  const AxisRange *frozenRange(const StateFlow &flow, const StateUpdate &update, const std::string &state) const {
    for (size_t axis = 0; axis < update.range.size(); ++axis)
      if (const AxisRange &range = update.range[axis];
          !range.isWhole && range.begin && range.begin->isConstant() && differsAmongFunctions(flow, state, axis, range))
        return &range;
    return nullptr;
  }

  bool differsAmongFunctions(const StateFlow &flow, const std::string &state, size_t axis,
                             const AxisRange &range) const {
    for (const StateFlow &other : flows)
      for (const StateUpdate &update : other.updates)
        if (&other != &flow && stateName(other, update.state) == state && axis < update.range.size() &&
            update.range[axis].extent != range.extent)
          return true;
    return false;
  }

  /// From row 0 on it is what the first call of a fresh state does.
  Finding frozen(const StateFlow &flow, const StateUpdate &update, const std::string &state,
                 const AxisRange &range) const {
    const bool isFirst = range.begin->constant == 0;
    Finding finding{BugClass::frozenOffset,
                    isFirst ? Severity::warning : Severity::error,
                    flow.function->name,
                    state,
                    "",
                    "",
                    "",
                    ""};
    finding.operation = flow.function->nameOf(update.operation->outputs.front());
    if (range.extent != kAnySize)
      finding.rowsWritten = rowsText(*range.begin, range.extent);
    finding.text = "function " + inQuotes(flow.function->name) + ", state " + inQuotes(state) + ": " +
                   describe(flow, *update.operation) + " writes rows from " + text(*range.begin) +
                   " on in every call: no input moves them" +
                   (isFirst ? "; right for the first call of a fresh state only"
                            : "; the position became a constant when the shapes were fixed: pass it as an input");
    return finding;
  }

  void findReversals(const StateFlow &flow) {
    std::map<ValueId, std::vector<const Reversal *>> byState;
    for (const Reversal &reversal : flow.reversals)
      byState[reversal.state].push_back(&reversal);
    for (const auto &[state, reversals] : byState) {
      const Reversal &last = *reversals.back();
      Finding &finding = add(
          BugClass::revertedRows, Severity::error, flow, stateName(flow, state),
          "write_state at op " + std::to_string(last.write->index) + " stores what " + describe(flow, *last.read) +
              " read before " + std::to_string(last.reverted.size()) + " other write_state (" + opsText(last.reverted) +
              "): the rows that they wrote are put back; the exporter merges reads of one state, so keep each "
              "layer's cache in a state of its own");
      finding.operation = flow.function->nameOf(last.read->outputs.front());
    }
  }

  /// The first, and how many more.
  static std::string opsText(const std::vector<const Operation *> &operations) {
    const std::string first = "op " + std::to_string(operations.front()->index);
    return operations.size() == 1 ? first : first + " and " + std::to_string(operations.size() - 1) + " more";
  }

  /// Values go the way of their keys: one sentence is enough.
  void findStaleAttention(const StateFlow &flow) {
    std::set<const Operation *> said;
    for (const StaleAttention &stale : flow.staleAttentions) {
      const std::string &state = stateName(flow, stale.state);
      if (!said.insert(stale.attention).second || updatedLater(flow, stale) == nullptr)
        continue;
      Finding &finding =
          add(BugClass::staleAttention, Severity::error, flow, state,
              describe(flow, *stale.attention) + " takes its " + std::string(stale.operand) + " from " +
                  describe(flow, *stale.read) + ", which is before the rows of this call are written at op " +
                  std::to_string(updatedLater(flow, stale)->operation->index) +
                  ": its tokens do not attend to themselves; read the state again after the write");
      finding.operation = flow.function->nameOf(stale.attention->outputs.front());
    }
  }

  const StateAccess *updatedLater(const StateFlow &flow, const StaleAttention &stale) const {
    for (const StateAccess &write : flow.writes)
      if (write.state == stale.state && write.operation->index > stale.read->index)
        return &write;
    return nullptr;
  }

  void findConditionalWrites(const StateFlow &flow) {
    std::set<ValueId> said;
    for (const StateAccess &write : flow.writes)
      if (write.under && said.insert(write.state).second) {
        Finding &finding = add(BugClass::conditionalWrite, Severity::warning, flow, stateName(flow, write.state),
                               "is written at op " + std::to_string(write.operation->index) + " inside " +
                                   describe(flow, *write.under) +
                                   " only: a call that takes the other block keeps "
                                   "the old rows");
        finding.operation = write.under->outputs.empty() ? "" : flow.function->nameOf(write.under->outputs.front());
      }
  }

  std::vector<StateFlow> flows;
  std::map<std::string, std::set<size_t>> tokenAxes; ///< by state
  std::vector<Finding> findings;
};

} // namespace

std::vector<Finding> findBugs(const Program &program) { return Auditor(program).run(); }

} // namespace kvasir::coreml
