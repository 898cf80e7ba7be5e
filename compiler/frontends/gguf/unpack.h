// SPDX-License-Identifier: MIT
// What each unpacker's file offers to the list, which is that of CMakeLists.txt.
#ifndef KVASIR_FRONTENDS_GGUF_UNPACK_H
#define KVASIR_FRONTENDS_GGUF_UNPACK_H

#include "compiler/frontends/gguf/block_formats.h"

namespace kvasir::gguf {

#define KVASIR_UNPACKER(name, room)                                                                                    \
  namespace room {                                                                                                     \
  std::span<const BlockFormat> formats();                                                                              \
  }
#include "compiler/frontends/gguf/unpackers.inc"
#undef KVASIR_UNPACKER

/// Sixteen bytes of nibbles hold 32 codes: first the low nibbles, then the high ones.
inline void unpackNibbles(const uint8_t *nibbles, uint8_t *codes) {
  for (uint64_t i = 0; i < 16; ++i) {
    codes[i] = nibbles[i] & 15;
    codes[i + 16] = nibbles[i] >> 4;
  }
}

} // namespace kvasir::gguf

#endif
