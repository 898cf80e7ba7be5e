// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"
#include "runtime/state/rows.h"

using namespace kvasir;
using namespace kvasir::runtime;

kv_status kvasir_state_make(kvasir_model *handle, const kvasir_state_options *options, kvasir_state **state,
                            char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "model");
    requireGiven(state, "state");
    auto made = handle->model->makeState(readOptions(options).capacity);
    *state = new kvasir_state{handle->model, std::move(made)};
  });
}

void kvasir_state_free(kvasir_state *state) { delete state; }

uint64_t kvasir_state_length(const kvasir_state *state) { return state->state->length(); }

uint64_t kvasir_state_capacity(const kvasir_state *state) { return state->state->capacity(); }

kv_status kvasir_state_reset(kvasir_state *state, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(state, "state");
    const StateLock lock(*state->state);
    state->state->reset();
  });
}

kv_status kvasir_slot_shape(const kvasir_model *handle, const char *slot, uint64_t *layers, uint64_t *heads,
                            uint64_t *width, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "model");
    requireGiven(slot, "slot");
    const Slots &slots = *handle->model->slots();
    const SlotDescription &found = slots[slots.find(slot)];
    *layers = found.layers;
    *heads = found.heads;
    *width = found.width;
  });
}

kv_status kvasir_state_rows(kvasir_state *handle, const char *slot, uint64_t layer, uint64_t first, uint64_t count,
                            float *rows, uint64_t num_floats, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "state");
    requireGiven(slot, "slot");
    State &state = *handle->state;
    const StateLock lock(state);
    const size_t index = state.slots().find(slot);
    if (count > state.length() || num_floats < count * rowElements(state.slots()[index]))
      throw Error(KV_BAD_INPUT, std::to_string(count) + " rows of " + std::to_string(state.length()) +
                                    " don't fit into " + std::to_string(num_floats) + " floats");
    readRows(state, index, layer, first, count, rows);
  });
}
