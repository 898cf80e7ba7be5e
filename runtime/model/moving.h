// SPDX-License-Identifier: MIT
// A conversation goes on with another plugin of the same model.
#ifndef KVASIR_RUNTIME_MODEL_MOVING_H
#define KVASIR_RUNTIME_MODEL_MOVING_H

#include "runtime/model/model.h"

namespace kvasir::runtime {

/// A state of `to` that holds what `state`, of `from`, holds. `numRounded` is set to the slots whose numbers were
/// rounded on the way. The caller holds the state's lock; it stays as it is. Throws `unsupported`, by name, if the
/// plugins are of different models or their slots mean different things, and what makeState and convertContents throw.
std::unique_ptr<State> moveState(const Model &from, const State &state, const Model &to, const StateOptions &options,
                                 uint64_t &numRounded);

} // namespace kvasir::runtime

#endif
