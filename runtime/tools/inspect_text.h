// SPDX-License-Identifier: MIT
// A plugin's file in words.
#ifndef KVASIR_RUNTIME_TOOLS_INSPECT_TEXT_H
#define KVASIR_RUNTIME_TOOLS_INSPECT_TEXT_H

#include "plugins/plugin_file.h"

#include <string>

namespace kvasir::tools {

/// A page about the file: sizes, proof, numerics, functions, slots, weights.
std::string describe(const PluginFile &file, const std::vector<WeightTensor> &tensors);

} // namespace kvasir::tools

#endif
