// SPDX-License-Identifier: MIT
// A model whose every token depends on all of its state: a cache with a window, one without, a register.
#ifndef KVASIR_TESTS_UNIT_SLIDING_MODEL_H
#define KVASIR_TESTS_UNIT_SLIDING_MODEL_H

#include "runtime/model/call.h"

namespace kvasir::runtime {

enum { SLIDING_VOCABULARY = 16, SLIDING_WINDOW = 100, SLIDING_MAX_TOKENS = 40, SLIDING_CONTEXT = 2000 };

/// Slots `near` (2 layers, 2 lanes, window), `far` (1 number a row) and the register `trail` (2 layers of 2 numbers,
/// each set by every token). One function, from ids to logits. Its members meet before and after every 16th token.
std::shared_ptr<Model> makeSlidingModel(uint32_t threads, const kv_plugin *plugin = nullptr);

/// What makeSlidingModel runs when it is given no other plugin.
const kv_plugin *slidingPlugin();

} // namespace kvasir::runtime

#endif
