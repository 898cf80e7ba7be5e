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

} // namespace kvasir::gguf

#endif
