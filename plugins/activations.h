// SPDX-License-Identifier: MIT
#ifndef KVASIR_PLUGINS_ACTIVATIONS_H
#define KVASIR_PLUGINS_ACTIVATIONS_H

#include <cstdint>

namespace kvasir {

/// What activations are rounded to before they meet a weight; one choice for a whole model.
enum class Activations : uint8_t { exact, bf16, int8 };

} // namespace kvasir

#endif
