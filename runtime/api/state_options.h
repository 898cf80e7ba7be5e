// SPDX-License-Identifier: MIT
// A caller's options of a state.
#ifndef KVASIR_RUNTIME_API_STATE_OPTIONS_H
#define KVASIR_RUNTIME_API_STATE_OPTIONS_H

#include "runtime/state/state.h"

#include "kvasir/kvasir.h"

namespace kvasir::runtime {

/// What a caller wants of a state, with the defaults in their places; a capacity of 0 stays. `given` may be null.
StateOptions stateOptionsFrom(const kvasir_state_options *given);

} // namespace kvasir::runtime

#endif
