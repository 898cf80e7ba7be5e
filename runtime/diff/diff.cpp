// SPDX-License-Identifier: MIT
#include "runtime/diff/diff.h"

#include "runtime/diff/side_by_side.h"

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

} // namespace

Report runDiff(const Given &a, const Given &b, const DiffOptions &options) {
  Report report;
  report.a = describe(a);
  report.b = describe(b);
  report.isSameModel = isSameModel(a.model.identity().fingerprint, report.a.model, b.model.identity().fingerprint,
                                   report.b.model);
  audit::AuditOptions planned;
  planned.ids = options.ids;
  planned.chunkTokens = options.chunkTokens;
  planned.cancel = options.cancel;
  const audit::Plan plan = makePlan(a.model, planned);
  const FunctionGraph *graph = findGraph(a, a.model.description().functions[plan.prefill].name);
  SideBySide sides(a.model, b.model, planned, graph);
  report.promisesEqualBits = sides.tolerances().areEqualBits();
  sides.run(report);
  return report;
}

} // namespace kvasir::runtime::diff
