// SPDX-License-Identifier: MIT
// Conversations to files and back.
#ifndef KVASIR_RUNTIME_STATE_FILE_SAVED_STATE_H
#define KVASIR_RUNTIME_STATE_FILE_SAVED_STATE_H

#include "runtime/model/model.h"
#include "runtime/state_file/state_file.h"

#include "plugins/new_file.h"

namespace kvasir::runtime {

/// Writes a state to a file that appears whole, or not at all: what was there stays until then. The caller holds the
/// state's lock. Throws `failed`, with the system's reason, if it can't be written.
/// Cost: that of writing the used blocks, their checksums included, and the disk's time.
void saveState(const Model &model, const State &state, const std::string &path);

/// The same into a file that is not yet published: all but the disk's time.
void writeState(const Model &model, const State &state, NewFile &file);

/// A state of what the file holds; a capacity of 0 is the saved one, and of more automatic checkpoints than the options
/// keep only the latest come. Throws `bad file` if the file is damaged, `unsupported` if it belongs to another model,
/// schema, tokenizer, numerics or layout, by name, bad input if the capacity is less than its length.
/// Cost: that of reading the file, checksums included.
std::unique_ptr<State> loadState(const Model &model, const StateFile &file, const StateOptions &options = {});

/// As above, from a path; messages begin with "cannot load 'path': ".
std::unique_ptr<State> loadState(const Model &model, const std::string &path, const StateOptions &options = {});

/// Throws `unsupported` unless the file's state can go on with this model.
void requireSameModel(const StateFile &file, const Model &model);

} // namespace kvasir::runtime

#endif
