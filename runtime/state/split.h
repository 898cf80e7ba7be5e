// SPDX-License-Identifier: MIT
// Rows that two slots have: a cache, for raised functions, and the register that it comes from, for opaque ones.
//
// Of tokens before the state's length the cache's rows count, of others the register's; what a register holds of rows
// before the length is of no meaning. The length is thus a border that can be moved without changing what the state is.
#ifndef KVASIR_RUNTIME_STATE_SPLIT_H
#define KVASIR_RUNTIME_STATE_SPLIT_H

#include "runtime/state/state.h"

namespace kvasir::runtime {

/// The state's contents with the border at `length`, at most the rows that registers have room for. Numbers are copied
/// exactly. Tokens that come before the border this way have no ids; checkpoints of more tokens than `length` go.
/// Throws std::bad_alloc. Cost: where the border goes back, a copy of the registers; some ns for each element that
/// changes sides.
Contents splitAt(const State &state, uint64_t length);

/// What a register holds, with the rows of caches that come from it. Shares the block if there are none. Throws
/// std::bad_alloc.
BlockRef wholeRegister(const State &state, size_t slot);

} // namespace kvasir::runtime

#endif
