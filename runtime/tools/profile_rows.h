// SPDX-License-Identifier: MIT
// Times of steps as rows of a table, each beside what it could take at least.
#ifndef KVASIR_RUNTIME_TOOLS_PROFILE_ROWS_H
#define KVASIR_RUNTIME_TOOLS_PROFILE_ROWS_H

#include "runtime/profile/trace.h"
#include "runtime/tools/machine.h"

#include <set>

namespace kvasir::tools {

/// Bytes that have to be read, and multiplies and adds.
struct Cost {
  uint64_t bytes = 0;
  Ops ops = {};
};

/// Looks up what steps have to do.
class StepCosts {
public:
  /// All must outlive it.
  StepCosts(const Work &work, const Description &description, const StepTable &table)
      : work(work), description(description), table(table) {}

  /// Of one pass through the step. Each tensor and slot counts as read once, whatever the number of rows, one of
  /// experts by its share (readShare); embeddings, norms' arithmetic and what only moves activations count as nothing.
  Cost of(const CodeStep &step, const runtime::profile::CallShape &shape) const;

private:
  void addAttention(Cost &cost, const StepOp &op, const runtime::profile::CallShape &shape) const;

  const Work &work;
  const Description &description;
  const StepTable &table;
};

/// One call, as often as it was made.
struct Repetition {
  double seconds; ///< the whole call
  std::vector<runtime::profile::ExecuteTimes> executes;
};

/// Steps of one name; all of a call's mean.
struct ProfileRow {
  std::string name;
  std::set<std::string> kernels;
  std::vector<std::string> ops; ///< places, in the program's order
  double passes = 0, workSeconds = 0, skewSeconds = 0, barrierSeconds = 0;
  double bytes = 0;
  std::array<double, kNumArithmetics> numOps = {};
  double readSeconds = 0, computeSeconds = 0; ///< at the machine's limits
  double limitSeconds = 0;                    ///< the longer of both, step by step; 0: nothing counts

  double seconds() const { return workSeconds + skewSeconds + barrierSeconds; }
};

/// Rows in the program's order, then "host": what a call takes outside of steps. All add up to the mean of the
/// repetitions' seconds; of these the fastest and the slowest quarter are left out.
std::vector<ProfileRow> makeRows(std::vector<Repetition> repetitions, const StepTable &table,
                                 const VariantSteps &variant, const StepCosts &costs, const Limits &limits);

} // namespace kvasir::tools

#endif
