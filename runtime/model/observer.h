// SPDX-License-Identifier: MIT
// Who may watch a call from between its checks and its commit.
#ifndef KVASIR_RUNTIME_MODEL_OBSERVER_H
#define KVASIR_RUNTIME_MODEL_OBSERVER_H

#include "plugins/description.h"
#include "runtime/team/team.h"

#include "kvasir/plugin.h"

#include <functional>
#include <vector>

namespace kvasir::runtime {

class State;

/// One execute as it is about to run: prepared, its declaration checked, nothing committed. Valid during the call of
/// the observer. Shape letters: B sequences of this execute.
struct ObservedExecute {
  const FunctionDescription &function;
  const std::vector<SlotDescription> &slots;
  const kv_call &call;                     ///< with views, inputs, outputs and scratch
  const std::vector<kv_rows> &writes;      ///< [slots * B], as declared
  const std::vector<const State *> states; ///< [B]; empty for a model without slots
  const std::vector<size_t> sequences;     ///< [B] their numbers in the whole call
  const size_t numSequences;               ///< of the whole call
  Team &team;
};

/// What a call's request may name. Sees every execute of the call, from the thread that made it.
class Observer {
public:
  virtual ~Observer() = default;

  /// Runs `execute` once or more; what the last run leaves in rows, registers and outputs stands. `execute` throws what
  /// the call fails with; so may the observer, and the transaction is then rolled back.
  virtual void around(const ObservedExecute &observed, const std::function<void()> &execute) = 0;
};

} // namespace kvasir::runtime

#endif
