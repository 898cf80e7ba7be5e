// SPDX-License-Identifier: MIT
#include "runtime/state_file/checksum.h"

#define XXH_INLINE_ALL // no library to link
#include <xxhash.h>

namespace kvasir::runtime {

uint64_t checksumOf(std::span<const uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

} // namespace kvasir::runtime
