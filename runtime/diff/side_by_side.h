// SPDX-License-Identifier: MIT
// Two plugins run in step.
#ifndef KVASIR_RUNTIME_DIFF_SIDE_BY_SIDE_H
#define KVASIR_RUNTIME_DIFF_SIDE_BY_SIDE_H

#include "runtime/audit/plan.h"
#include "runtime/diff/graph.h"
#include "runtime/diff/report.h"
#include "runtime/diff/tolerance.h"
#include "runtime/model/call.h"

namespace kvasir::runtime::diff {

/// How far two rows are apart, as a share of their largest number or of `scale` if that is larger. Equal bits differ by
/// nothing, whatever they are.
Difference differenceOf(std::span<const float> a, std::span<const float> b, double tolerance, double scale = 0);

/// One plugin and its conversation.
struct Side {
  Model &model;
  const audit::Plan plan;
  std::unique_ptr<State> state;
};

class SideBySide {
public:
  /// Throws bad input, naming the first thing, if slots or vocabularies can't be compared; what makePlan throws.
  /// `graph`: of A's function, or null.
  SideBySide(Model &a, Model &b, const audit::AuditOptions &options, const FunctionGraph *graph);

  /// Makes the calls of the plan until one differs, and writes what was compared into the report.
  void run(Report &report);

  const Side &a() const { return sides[0]; }
  const Side &b() const { return sides[1]; }
  const Tolerances &tolerances() const { return allowed; }

  /// Calls made by `run`, in the order in which they were: {first token, tokens}.
  const std::vector<std::pair<uint64_t, uint64_t>> &calls() const { return made; }

private:
  /// A layer of a slot, with the op that writes it.
  struct Write {
    size_t slot, otherSlot;
    uint64_t layer;
    std::string op;
  };

  using Bytes = std::vector<std::vector<uint8_t>>; ///< of each output

  std::vector<Write> orderWrites(const FunctionGraph *graph) const;
  Bytes call(Side &side, uint64_t start, uint64_t tokens, Wanted wanted);
  void compareCall(Report &report, uint64_t start, uint64_t tokens);
  void compareRows(Report &report, const Write &write, uint64_t start);
  void compareRegister(Report &report, const Write &write);
  void compareOutputs(Report &report, const Bytes &a, const Bytes &b, uint64_t start, Wanted wanted);
  void record(Report &report, Compared &compared, const Place &place, const Difference &difference);
  const FunctionDescription &function(const Side &side) const;
  Place placeOf(const std::string &name, uint64_t row) const;
  std::string originOf(const Write &write, uint64_t row) const;

  Side sides[2];
  const audit::AuditOptions &options;
  const Tolerances allowed;
  const std::vector<Write> writes;
  uint64_t callTokens = 0; ///< of the present call
  std::vector<std::pair<uint64_t, uint64_t>> made;
};

} // namespace kvasir::runtime::diff

#endif
