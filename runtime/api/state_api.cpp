// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"
#include "runtime/api/state_options.h"
#include "runtime/model/moving.h"
#include "runtime/state/rows.h"

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

void requireFloats(const State &state, size_t slot, uint64_t count, uint64_t numFloats) {
  if (count > state.length() || numFloats < count * rowElements(state.slots()[slot]))
    throw Error(KV_BAD_INPUT, std::to_string(count) + " rows of " + std::to_string(state.length()) +
                                  " don't fit into " + std::to_string(numFloats) + " floats");
}

/// Runs `body(state)` on a state that no call has.
template <typename Body> kv_status withState(kvasir_state *handle, char *message, size_t bytes, Body body) {
  return atBorder(message, bytes, [&] {
    requireGiven(handle, "state");
    const StateLock lock(*handle->state);
    body(*handle->state);
  });
}

/// Runs `body(state, slot)` with the index of the slot of this name.
template <typename Body>
kv_status withSlot(kvasir_state *handle, const char *slot, char *message, size_t bytes, Body body) {
  return atBorder(message, bytes, [&] {
    requireGiven(handle, "state");
    requireGiven(slot, "slot");
    const StateLock lock(*handle->state);
    body(*handle->state, handle->state->slots().find(slot));
  });
}

} // namespace

StateOptions kvasir::runtime::stateOptionsFrom(const kvasir_state_options *given) {
  const auto known = readOptions(given);
  const uint32_t automatic = known.checkpoints == 0                       ? kAutomaticCheckpoints
                             : known.checkpoints == KVASIR_NO_CHECKPOINTS ? 0
                                                                          : known.checkpoints;
  return {known.capacity, automatic};
}

kv_status kvasir_state_make(kvasir_model *handle, const kvasir_state_options *options, kvasir_state **state,
                            char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "model");
    requireGiven(state, "state");
    const StateOptions known = stateOptionsFrom(options);
    auto made = handle->model->makeState(known.capacity, known.numCheckpoints);
    *state = new kvasir_state{handle->model, std::move(made)};
  });
}

void kvasir_state_free(kvasir_state *state) { delete state; }

uint64_t kvasir_state_length(const kvasir_state *state) { return state->state->length(); }

uint64_t kvasir_state_capacity(const kvasir_state *state) { return state->state->capacity(); }

kv_status kvasir_state_reset(kvasir_state *handle, char *message, size_t message_bytes) {
  return withState(handle, message, message_bytes, [](State &state) { state.reset(); });
}

kv_status kvasir_state_fork(kvasir_state *handle, kvasir_state **branch, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "state");
    requireGiven(branch, "branch");
    const StateLock lock(*handle->state);
    *branch = new kvasir_state{handle->model, handle->state->fork()};
  });
}

kv_status kvasir_state_move(kvasir_state *handle, kvasir_model *model, const kvasir_state_options *options,
                            kvasir_state **moved, uint64_t *rounded_slots, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "state");
    requireGiven(model, "model");
    requireGiven(moved, "moved");
    const StateLock lock(*handle->state);
    uint64_t numRounded;
    auto made = moveState(*handle->model, *handle->state, *model->model, stateOptionsFrom(options), numRounded);
    *moved = new kvasir_state{model->model, std::move(made)};
    if (rounded_slots)
      *rounded_slots = numRounded;
  });
}

kv_status kvasir_state_truncate(kvasir_state *handle, uint64_t length, uint64_t *nearest, char *message,
                                size_t message_bytes) {
  return withState(handle, message, message_bytes, [&](State &state) {
    if (nearest)
      *nearest = state.longestLegalLength(length);
    state.truncate(length);
  });
}

kv_status kvasir_state_checkpoint(kvasir_state *handle, char *message, size_t message_bytes) {
  return withState(handle, message, message_bytes, [](State &state) { state.checkpoint(); });
}

kv_status kvasir_state_ids(kvasir_state *handle, uint64_t first, uint64_t count, int32_t *ids, char *message,
                           size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "state");
    requireGiven(count ? ids : static_cast<const void *>(handle), "ids");
    const StateLock lock(*handle->state);
    handle->state->readIds(first, count, ids);
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
    *width = found.kind == SlotKind::reg ? registerElements(found) : found.width;
  });
}

kv_status kvasir_state_first_row(kvasir_state *handle, const char *slot, uint64_t *row, char *message,
                                 size_t message_bytes) {
  return withSlot(handle, slot, message, message_bytes, [&](State &state, size_t index) {
    requireGiven(row, "row");
    if (state.slots().isRegister(index))
      throw Error(KV_BAD_INPUT, "slot " + std::string(slot) + " is a register and has no rows");
    *row = state.firstHeldRow(index);
  });
}

kv_status kvasir_state_rows(kvasir_state *handle, const char *slot, uint64_t layer, uint64_t first, uint64_t count,
                            float *rows, uint64_t num_floats, char *message, size_t message_bytes) {
  return withSlot(handle, slot, message, message_bytes, [&](State &state, size_t index) {
    requireFloats(state, index, count, num_floats);
    readRows(state, index, layer, first, count, rows);
  });
}

kv_status kvasir_state_write(kvasir_state *handle, const char *slot, uint64_t layer, uint64_t first, uint64_t count,
                             const float *rows, uint64_t num_floats, char *message, size_t message_bytes) {
  return withSlot(handle, slot, message, message_bytes, [&](State &state, size_t index) {
    requireFloats(state, index, count, num_floats);
    writeRows(state, index, layer, first, count, rows);
  });
}

kv_status kvasir_state_register(kvasir_state *handle, const char *slot, uint64_t layer, float *values,
                                uint64_t num_floats, char *message, size_t message_bytes) {
  return withSlot(handle, slot, message, message_bytes, [&](State &state, size_t index) {
    if (const uint64_t elements = registerElements(state.slots()[index]); num_floats < elements)
      throw Error(KV_BAD_INPUT, "a layer of " + std::to_string(elements) + " elements doesn't fit into " +
                                    std::to_string(num_floats) + " floats");
    readRegister(state, index, layer, values);
  });
}
