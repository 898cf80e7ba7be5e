// SPDX-License-Identifier: MIT
// A plugin's file in words.
#ifndef KVASIR_RUNTIME_TOOLS_INSPECT_TEXT_H
#define KVASIR_RUNTIME_TOOLS_INSPECT_TEXT_H

#include "plugins/plugin_file.h"

#include <string>

namespace kvasir::tools {

/// A page about the file: sizes, proof, numerics, functions, slots, weights.
std::string describe(const PluginFile &file, const std::vector<WeightTensor> &tensors);

/// "  name   rest" and a line's end, the name padded to a column.
std::string textRow(std::string name, const std::string &rest, size_t width = 14);

/// "f32[T, 64]"
std::string shapeText(const TensorDescription &tensor);

/// What a slot is and how it is stored, on one line.
std::string slotText(const SlotDescription &slot);

} // namespace kvasir::tools

#endif
