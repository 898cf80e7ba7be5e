// SPDX-License-Identifier: MIT
#ifndef KVASIR_PLUGINS_ALIGNMENT_H
#define KVASIR_PLUGINS_ALIGNMENT_H

#include <cstdint>

namespace kvasir {

/// The next multiple of `border` that is at least `size`.
constexpr uint64_t alignTo(uint64_t size, uint64_t border) { return (size + border - 1) / border * border; }

} // namespace kvasir

#endif
