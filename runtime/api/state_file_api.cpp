// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"
#include "runtime/api/state_options.h"
#include "runtime/state_file/saved_state.h"

using namespace kvasir;
using namespace kvasir::runtime;

kv_status kvasir_state_save(kvasir_state *handle, const char *path, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "state");
    requireGiven(path, "path");
    const StateLock lock(*handle->state);
    saveState(*handle->model, *handle->state, path);
  });
}

kv_status kvasir_state_load(kvasir_model *handle, const char *path, const kvasir_state_options *options,
                            kvasir_state **state, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(handle, "model");
    requireGiven(path, "path");
    requireGiven(state, "state");
    auto loaded = loadState(*handle->model, path, stateOptionsFrom(options));
    *state = new kvasir_state{handle->model, std::move(loaded)};
  });
}
