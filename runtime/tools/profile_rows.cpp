// SPDX-License-Identifier: MIT
#include "runtime/tools/profile_rows.h"

#include "runtime/profile/step_name.h"

#include <algorithm>
#include <cmath>

namespace kvasir::tools {

using runtime::profile::CallShape;
using runtime::profile::StepTime;

namespace {

uint64_t rowsOf(const StepOp &op, const CallShape &shape) {
  switch (op.rows) {
  case StepRows::tokens:
    return shape.numTokens;
  case StepRows::wanted:
    return shape.wantedPositions.size();
  case StepRows::sequences:
    return shape.starts.size();
  }
  return 0;
}

/// Adds up steps by name.
class RowMaker {
public:
  RowMaker(const StepTable &table, const VariantSteps &variant, const StepCosts &costs, const Limits &limits,
           double share)
      : table(table), variant(variant), costs(costs), limits(limits), share(share), rowOfStep(variant.steps.size()) {
    for (size_t i = 0; i < variant.steps.size(); ++i)
      rowOfStep[i] = findRow(variant.steps[i]);
  }

  /// Gives what is in no step, in seconds.
  double add(const runtime::profile::ExecuteTimes &execute) {
    for (size_t i = 0; i < rowOfStep.size(); ++i)
      if (const StepTime &time = execute.steps[i + 1]; time.passes)
        add(rows[rowOfStep[i]], time, costs.of(variant.steps[i], execute.shape));
    return execute.steps.front().seconds();
  }

  /// Those that ran.
  std::vector<ProfileRow> take() {
    std::erase_if(rows, [](const ProfileRow &row) { return row.passes == 0; });
    return std::move(rows);
  }

private:
  size_t findRow(const CodeStep &step) {
    std::string name = runtime::profile::stepName(table, step);
    size_t at = std::ranges::find(rows, name, &ProfileRow::name) - rows.begin();
    if (at == rows.size())
      rows.emplace_back().name = std::move(name);
    if (!step.kernel.empty())
      rows[at].kernels.insert(step.kernel);
    for (const uint32_t op : step.ops)
      if (std::ranges::find(rows[at].ops, table.ops[op].place) == rows[at].ops.end())
        rows[at].ops.push_back(table.ops[op].place);
    return at;
  }

  void add(ProfileRow &row, const StepTime &time, const Cost &cost) {
    row.workSeconds += time.workSeconds * share;
    row.skewSeconds += time.skewSeconds * share;
    row.barrierSeconds += time.barrierSeconds * share;
    const double passes = static_cast<double>(time.passes) * share;
    row.passes += passes;
    row.bytes += passes * static_cast<double>(cost.bytes);
    const double readSeconds =
        limits.readBytesPerSecond > 0 ? static_cast<double>(cost.bytes) / limits.readBytesPerSecond : 0;
    double computeSeconds = 0;
    for (size_t i = 0; i < kNumArithmetics; ++i) {
      row.numOps[i] += passes * static_cast<double>(cost.ops[i]);
      if (limits.opsPerSecond[i] > 0)
        computeSeconds += static_cast<double>(cost.ops[i]) / limits.opsPerSecond[i];
    }
    row.readSeconds += passes * readSeconds;
    row.computeSeconds += passes * computeSeconds;
    row.limitSeconds += passes * std::max(readSeconds, computeSeconds);
  }

  const StepTable &table;
  const VariantSteps &variant;
  const StepCosts &costs;
  const Limits &limits;
  const double share; ///< of one repetition in the mean
  std::vector<ProfileRow> rows;
  std::vector<size_t> rowOfStep;
};

} // namespace

void StepCosts::addAttention(Cost &cost, const StepOp &op, const CallShape &shape) const {
  const SlotDescription *keys = findCache(description, op.keys), *values = findCache(description, op.values);
  if (!keys || !values)
    return;
  uint64_t pairs = 0, stored = 0; // of a query and a row
  for (size_t b = 0; b < shape.starts.size(); ++b) {
    const uint64_t end = shape.starts[b] + shape.counts[b];
    stored += op.windowTokens ? std::min(end, op.windowTokens + shape.counts[b] - 1) : end;
    pairs += op.rows == StepRows::tokens ? rowsSeen(shape.starts[b], shape.counts[b], op.windowTokens) : 0;
  }
  for (size_t w = 0; op.rows == StepRows::wanted && w < shape.wantedPositions.size(); ++w)
    pairs += rowsSeen(shape.wantedPositions[w], 1, op.windowTokens);
  stored = std::min(stored, pairs); // few wanted tokens don't see what lies in front of their windows
  const auto rowBytes = [](const SlotDescription &slot) {
    return slot.layout.sizeBytes / KV_BLOCK_TOKENS / std::max<uint64_t>(slot.layers, 1);
  };
  cost.bytes += stored * (rowBytes(*keys) + (keys == values ? 0 : rowBytes(*values)));
  cost.ops[static_cast<size_t>(work.attentionArithmetic)] += pairs * attentionOpsPerPair(description, op);
}

Cost StepCosts::of(const CodeStep &step, const CallShape &shape) const {
  Cost cost;
  std::set<std::string_view> counted;
  for (const uint32_t number : step.ops) {
    const StepOp &op = table.ops[number];
    const uint64_t rows = rowsOf(op, shape);
    if (rows == 0)
      continue;
    for (const std::string &name : op.weights) {
      const auto found = work.tensors.find(name);
      if (found == work.tensors.end())
        continue;
      if (counted.insert(name).second)
        cost.bytes += static_cast<uint64_t>(
            std::llround(static_cast<double>(found->second.bytes) * readShare(op.chosen, op.experts, rows)));
      const uint64_t ops = op.experts ? found->second.ops * op.chosen / op.experts : found->second.ops;
      cost.ops[static_cast<size_t>(found->second.arithmetic)] += rows * ops;
    }
    if (!op.keys.empty())
      addAttention(cost, op, shape);
  }
  return cost;
}

std::vector<ProfileRow> makeRows(std::vector<Repetition> repetitions, const StepTable &table,
                                 const VariantSteps &variant, const StepCosts &costs, const Limits &limits) {
  std::ranges::sort(repetitions, {}, &Repetition::seconds);
  const size_t left = repetitions.size() / 4;
  const std::span kept = std::span(repetitions).subspan(left, repetitions.size() - 2 * left);
  const double share = 1.0 / static_cast<double>(kept.size());
  RowMaker maker(table, variant, costs, limits, share);
  ProfileRow host;
  host.name = "host";
  host.passes = 1;
  for (const Repetition &repetition : kept) {
    host.workSeconds += repetition.seconds * share;
    for (const auto &execute : repetition.executes)
      host.workSeconds += (maker.add(execute) - execute.seconds) * share;
  }
  std::vector<ProfileRow> rows = maker.take();
  rows.push_back(std::move(host));
  return rows;
}

} // namespace kvasir::tools
