// SPDX-License-Identifier: MIT
// Each op of a function alone, on both plugins.
#ifndef KVASIR_RUNTIME_DIFF_OPS_H
#define KVASIR_RUNTIME_DIFF_OPS_H

#include "runtime/diff/attention.h"
#include "runtime/diff/side_by_side.h"

#include <map>

namespace kvasir::runtime::diff {

/// Follows A's program through a call that both sides have made, and calls each op that has a probe on both plugins,
/// with the inputs that A's ops make. What has none is computed here: sums, attention over the rows that A holds.
class OpByOp {
public:
  OpByOp(const SideBySide &sides, const FunctionGraph &graph, const CancelFlag *cancel);

  /// The tokens [start, start + tokens) of the conversation. Adds what it compares to the report, and the places of
  /// ops that could not be followed to `left`.
  void run(Report &report, uint64_t start, uint64_t tokens);

  /// Ops that no probe did, in the program's order, each once: indices of steps.
  const std::vector<size_t> &notAlone() const { return left; }

private:
  /// Dense, T rows or one for all; no bytes where nothing could make it.
  struct Tensor {
    ElementType element = ElementType::f32;
    std::vector<uint8_t> bytes;
  };

  void runStep(Report &report, size_t index);
  bool runProbe(Report &report, const Step &step);
  void add(const Step &step);
  void attend(const Step &step);
  /// The probe's inputs, or nothing if one is not there or is of another size.
  std::optional<std::vector<NamedInput>> inputsOf(const FunctionDescription &probe, const Step &step) const;
  std::vector<NamedOutput> call(const Side &side, State &state, const FunctionDescription &probe,
                                const std::vector<NamedInput> &inputs) const;
  void compare(Report &report, const Step &step, const NamedOutput &a, const NamedOutput &b, double tolerance) const;
  std::vector<float> floatsOf(size_t tensor) const;
  void setFloats(size_t tensor, const std::vector<float> &numbers);

  const SideBySide &sides;
  const FunctionGraph &graph;
  const CancelFlag *const cancel;
  const std::unique_ptr<State> a, b; ///< probes leave them empty
  std::vector<size_t> lastUses;      ///< [tensors] the last step that takes it
  std::vector<size_t> left;

  std::vector<Tensor> tensors;
  std::map<std::pair<std::string, uint64_t>, AppendedRows> appended; ///< by slot and layer
  mutable int32_t layer = 0;                                         ///< what the present op's input says
  uint64_t start = 0, tokens = 0;
};

} // namespace kvasir::runtime::diff

#endif
