// SPDX-License-Identifier: MIT
// The note that the compiler puts into a plugin's image.
#ifndef KVASIR_PLUGINS_NOTE_H
#define KVASIR_PLUGINS_NOTE_H

#include "plugins/description.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir {

struct NoteFacts {
  Digest fingerprint = {}; ///< of the source tensors, the configuration and the rope lane order
  std::string producer;    ///< "kvasir 0.1.0"; cut to 31 characters
};

/// The whole content of section KV_NOTE_SECTION (4-aligned), not yet sealed. Fails if the description isn't consistent
/// or names a CPU feature that no loader knows.
Result<std::vector<uint8_t>> makeNote(const Description &description, const NoteFacts &facts);

} // namespace kvasir

#endif
