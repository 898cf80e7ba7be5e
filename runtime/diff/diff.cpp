// SPDX-License-Identifier: MIT
#include "runtime/diff/diff.h"

#include "runtime/audit/row_set.h"
#include "runtime/diff/ops.h"

#include <algorithm>

namespace kvasir::runtime::diff {
namespace {

Subject describe(const Given &given) {
  const Description &description = given.model.description();
  return {given.path, description.model.name, description.backend, description.numerics.id,
          shortHex(given.model.identity().fingerprint)};
}

const FunctionGraph *findGraph(const Given &given, const std::string &function) {
  const auto found = std::ranges::find(given.graphs, function, &FunctionGraph::name);
  return found == given.graphs.end() ? nullptr : &*found;
}

const FunctionGraph &requireProbes(const Given &given, const FunctionGraph *graph) {
  if (!graph || std::ranges::all_of(graph->steps, [](const Step &step) { return step.probe.empty(); }))
    throw Error(KV_UNSUPPORTED, "'" + given.path + "' has no ops that can be called alone; compile it with --probe");
  return *graph;
}

bool isComputedHere(const Step &step) {
  return step.op == "arith.addf" || step.op == "kv.append" || step.op == "kv.attend";
}

/// What was not compared alone although it computes something.
void noteRest(Report &report, const FunctionGraph &graph, const std::vector<size_t> &notAlone) {
  std::vector<std::string> places;
  for (const size_t index : notAlone)
    if (const Step &step = graph.steps[index]; !isComputedHere(step))
      places.push_back(step.at + " (" + step.op + ")");
  const size_t count = places.size();
  if (count == 0)
    return;
  places.resize(std::min<size_t>(count, 3));
  report.notes.push_back(std::to_string(count) + " ops could not be called alone: " + audit::listText(places) +
                         (count > 3 ? ", …" : ""));
}

/// Ops between the last write of state that agrees and the first that does not, of those that were not compared alone.
std::string suspectsOf(const Report &report, const FunctionGraph &graph, const std::vector<size_t> &notAlone) {
  const Place &place = report.first->place;
  const SlotLayer wrong{place.slot, place.layer};
  size_t begin = 0, end = graph.steps.size();
  for (size_t index = 0; index < end; ++index)
    if (!place.isOutput && graph.steps[index].appends == wrong)
      end = index + 1;
  for (size_t index = 0; index + 1 < end; ++index)
    if (graph.steps[index].appends)
      begin = index + 1;
  std::vector<std::string> places;
  for (const size_t index : notAlone)
    if (index >= begin && index < end)
      places.push_back(graph.steps[index].at);
  return "each op agrees that can be called alone; left is " + audit::listText(places);
}

void compareOps(Report &report, const SideBySide &sides, const FunctionGraph &graph, const CancelFlag *cancel) {
  OpByOp ops(sides, graph, cancel);
  std::vector<uint64_t> shapes; // each once
  for (const auto &[start, tokens] : sides.calls())
    if (std::ranges::find(shapes, tokens) == shapes.end()) {
      shapes.push_back(tokens);
      ops.run(report, start, tokens);
    }
  noteRest(report, graph, ops.notAlone());
  if (report.first && !report.firstOp)
    report.suspects = suspectsOf(report, graph, ops.notAlone());
}

} // namespace

Report runDiff(const Given &a, const Given &b, const DiffOptions &options) {
  Report report;
  report.a = describe(a);
  report.b = describe(b);
  report.isSameModel =
      isSameModel(a.model.identity().fingerprint, report.a.model, b.model.identity().fingerprint, report.b.model);
  audit::AuditOptions planned;
  planned.ids = options.ids;
  planned.chunkTokens = options.chunkTokens;
  planned.cancel = options.cancel;
  const audit::Plan plan = makePlan(a.model, planned);
  const FunctionGraph *graph = findGraph(a, a.model.description().functions[plan.prefill].name);
  const FunctionGraph *other = findGraph(b, graph ? graph->name : "");
  if (options.comparesOps) {
    requireProbes(a, graph);
    requireProbes(b, other);
  }
  SideBySide sides(a.model, b.model, planned, graph, a.norms);
  report.promisesEqualBits = sides.tolerances().areEqualBits();
  sides.run(report);
  if (report.first && !report.promisesEqualBits && a.norms.runs.empty())
    report.notes.push_back("A does not say where its norms are: whether its model enlarges rounding is not known");
  if (graph && other)
    report.programs = firstDifference(*graph, *other);
  if (options.comparesOps)
    compareOps(report, sides, *graph, options.cancel);
  return report;
}

} // namespace kvasir::runtime::diff
