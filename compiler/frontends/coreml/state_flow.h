// SPDX-License-Identifier: MIT
// How one function reads and writes its states, followed op by op.
#ifndef KVASIR_FRONTENDS_COREML_STATE_FLOW_H
#define KVASIR_FRONTENDS_COREML_STATE_FLOW_H

#include "compiler/frontends/coreml/index_expression.h"

namespace kvasir::coreml {

/// A read_state or write_state.
struct StateAccess {
  const Operation *operation;
  ValueId state;
  uint32_t numWritesBefore;         ///< to this state, in the function
  const Operation *under = nullptr; ///< the op in whose block it is
};

/// The part of one axis that an update replaces.
struct AxisRange {
  bool isWhole;
  std::optional<IndexExpression> begin; ///< nothing where it is not followed
  int64_t extent;                       ///< rows of the update; kAnySize where a call says, or they are no run
};

/// A slice_update or scatter of what was read from a state.
struct StateUpdate {
  const Operation *operation;
  ValueId state;
  const Operation *read;        ///< what it was read by
  uint32_t numWritesBefore;     ///< that read
  bool isStored;                ///< some write_state takes it, changed further or not
  std::vector<AxisRange> range; ///< one an axis of the state; empty if the update is of another shape than the state
};

/// A write_state that puts rows back to what they were before another write: what it stores was read before that one.
struct Reversal {
  const Operation *write;
  const Operation *read;
  std::vector<const Operation *> reverted; ///< the writes
  ValueId state;
};

/// An attention whose keys or values were read before the function's first write, and hold none of its rows.
struct StaleAttention {
  const Operation *attention;
  std::string_view operand; ///< "key" or "value"
  const Operation *read;
  ValueId state;
};

struct StateFlow {
  const Function *function;
  std::vector<ValueId> states; ///< inputs of state type
  std::vector<StateAccess> reads, writes;
  std::vector<StateUpdate> updates;
  std::vector<Reversal> reversals; ///< the last of each state
  std::vector<StaleAttention> staleAttentions;
  std::vector<ValueId> unusedInputs; ///< nothing but an identity that nobody uses reads them

  bool writesState(const std::string &name) const;
  const StateAccess *findWrite(const std::string &name) const;
  /// Is there an input of this name that changes anything?
  bool usesInput(const std::string &name) const;
};

/// `function` outlives the result.
StateFlow followStates(const Function &function);

} // namespace kvasir::coreml

#endif
