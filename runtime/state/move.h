// SPDX-License-Identifier: MIT
// A conversation in the form of another plugin.
#ifndef KVASIR_RUNTIME_STATE_MOVE_H
#define KVASIR_RUNTIME_STATE_MOVE_H

#include "runtime/state/state.h"

namespace kvasir::runtime {

/// Are numbers of the one form numbers of the other, too?
bool holdsExactly(const SlotDescription &to, const SlotDescription &from);

/// What `state` holds, for slots of the same schema with layouts of their own: rows behind windows are let go as there,
/// checkpoints come along. Numbers are rounded to what a slot stores, to nearest, ties to even; a slot of equal layout
/// is copied bit for bit. The caller holds the state's lock. Throws `unsupported` for a layout that can't be read or
/// written, and std::bad_alloc. Cost: that of copying; some ns an element where layouts differ.
Contents convertContents(const State &state, const std::shared_ptr<const Slots> &slots);

} // namespace kvasir::runtime

#endif
