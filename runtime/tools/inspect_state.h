// SPDX-License-Identifier: MIT
// A saved conversation in words and in JSON.
#ifndef KVASIR_RUNTIME_TOOLS_INSPECT_STATE_H
#define KVASIR_RUNTIME_TOOLS_INSPECT_STATE_H

#include "runtime/state_file/state_file.h"

#include <string>

namespace kvasir::tools {

/// Does the file begin as a .kvstate file does?
bool isStateFile(const std::string &path);

/// A page about the conversation: what it belongs to, how long it is, slots with their sizes, last ids.
std::string describe(const runtime::StateFile &file);

/// The same and all ids as JSON.
std::string describeAsJson(const runtime::StateFile &file);

} // namespace kvasir::tools

#endif
