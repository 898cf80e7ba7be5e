// SPDX-License-Identifier: MIT
// Looking into a state, whatever the backend's layout.
#ifndef KVASIR_RUNTIME_STATE_ROWS_H
#define KVASIR_RUNTIME_STATE_ROWS_H

#include "runtime/state/state.h"

namespace kvasir::runtime {

/// Elements of one row of one layer: heads * width.
uint64_t rowElements(const SlotDescription &slot);

/// Copies rows [first, first + count) of one layer of a cache to `rows` [count, G, D] as f32, found by the layout's
/// digits. The caller holds the state's lock. Throws bad input if the slot is no cache, or the layer or the rows are
/// not there. Cost: some ns an element.
void readRows(const State &state, size_t slot, uint64_t layer, uint64_t first, uint64_t count, float *rows);

} // namespace kvasir::runtime

#endif
