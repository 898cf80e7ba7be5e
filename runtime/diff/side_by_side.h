// SPDX-License-Identifier: MIT
// Two plugins run in step.
#ifndef KVASIR_RUNTIME_DIFF_SIDE_BY_SIDE_H
#define KVASIR_RUNTIME_DIFF_SIDE_BY_SIDE_H

#include "runtime/diff/graph.h"
#include "runtime/diff/report.h"
#include "runtime/diff/response.h"
#include "runtime/diff/tolerance.h"

#include <map>

namespace kvasir::runtime::diff {

class SideBySide {
public:
  /// Throws bad input, naming the first thing, if slots or vocabularies can't be compared; what makePlan throws.
  /// `graph`: of A's function, or null. `norms`: A's.
  SideBySide(Model &a, Model &b, const audit::AuditOptions &options, const FunctionGraph *graph, const Norms &norms);

  /// Makes the calls of the plan until one differs, and writes what was compared into the report.
  void run(Report &report);

  const Side &a() const { return sides[0]; }
  const Side &b() const { return sides[1]; }
  const Tolerances &tolerances() const { return allowed; }

  /// Calls made by `run`, in the order in which they were.
  const std::vector<MadeCall> &calls() const { return made; }

private:
  /// A layer of a slot, with the op that writes it.
  struct Write {
    size_t slot, otherSlot;
    uint64_t layer;
    std::string op;
    bool isRouted; ///< whether a route comes before it, as far as the graph says
  };

  /// The rows of a layer of a slot, or of an output: those of the call on both sides, and all that A holds, of which
  /// the call's are the last.
  struct Rows {
    std::span<const float> a, b, held;
    uint64_t width;
    double tolerance;
    /// What a draw has of the rows that A holds, from one on so many.
    std::function<std::vector<float>(const Draw &, uint64_t first, uint64_t count)> drawn;
  };

  /// Of one layer of a slot or an output, in calls of one token or of more.
  struct Tally {
    uint64_t numRows = 0, numRerouted = 0;
  };

  std::vector<Write> orderWrites(const FunctionGraph *graph) const;
  using RowOf = std::function<std::vector<float>(const Draw &)>;

  void compareCall(Report &report, const MadeCall &call);
  void compareRows(Report &report, const Write &write);
  void compareRegister(Report &report, const Write &write);
  void compareOutputs(Report &report, const Outputs &a, const Outputs &b, Wanted wanted);
  Difference compare(Report &report, std::span<const float> a, std::span<const float> b, double tolerance,
                     const RowOf &rowOf);
  std::vector<bool> reroutedRows(const Rows &rows, Tally &tally);
  void record(Report &report, Compared &compared, const Place &place, const Difference &difference);
  Place placeOf(const std::string &name, uint64_t row) const;
  std::string originOf(const Write &write, uint64_t row) const;

  Side sides[2];
  const audit::AuditOptions &options;
  const Tolerances allowed;
  const bool hasRoutes;
  const std::vector<Write> writes;
  std::map<std::pair<size_t, bool>, Tally> tallies; ///< by the number of a write or behind these an output's, is single
  Response response;
  std::vector<MadeCall> made; ///< the last is the present one
};

} // namespace kvasir::runtime::diff

#endif
