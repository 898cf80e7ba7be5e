// SPDX-License-Identifier: MIT
// Looking into a state, whatever the backend's layout.
#ifndef KVASIR_RUNTIME_STATE_ROWS_H
#define KVASIR_RUNTIME_STATE_ROWS_H

#include "runtime/state/state.h"

namespace kvasir::runtime {

/// Elements of one row of one layer: heads * width.
uint64_t rowElements(const SlotDescription &slot);

/// Elements of one layer of a register.
uint64_t registerElements(const SlotDescription &slot);

/// Copies rows [first, first + count) of one layer of a cache to `rows` [count, G, D] as f32, found by the layout's
/// digits. The caller holds the state's lock. Throws bad input if the slot is no cache, or the layer or the rows are
/// not there, or have left the slot's window. Cost: some ns an element.
void readRows(const State &state, size_t slot, uint64_t layer, uint64_t first, uint64_t count, float *rows);

/// The same, on their own.
std::vector<float> rowsOf(const State &state, size_t slot, uint64_t layer, uint64_t first, uint64_t count);

/// The other way. Numbers are rounded to what the slot stores, to nearest, ties to even; what readRows gave comes back
/// unchanged. Blocks that other states hold too are copied first. Errors as readRows, and nothing is changed then; also
/// `unsupported` for layouts of codes and integers, for which there is no one rounding, and out of memory.
void writeRows(State &state, size_t slot, uint64_t layer, uint64_t first, uint64_t count, const float *rows);

/// Copies one layer of a register to `values` as f32, row-major. Throws bad input if the slot is no register or has no
/// such layer.
void readRegister(const State &state, size_t slot, uint64_t layer, float *values);

/// The same of a register's block, and the other way, with the rounding of writeRows. Both throw `unsupported` for
/// layouts of other than plain values.
void loadRegister(const SlotDescription &slot, const uint8_t *block, uint64_t layer, float *values);
void storeRegister(const SlotDescription &slot, uint8_t *block, uint64_t layer, const float *values);

} // namespace kvasir::runtime

#endif
