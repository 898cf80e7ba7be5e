// SPDX-License-Identifier: MIT
// What a model has to read and to compute for each token, whoever does it.
#ifndef KVASIR_RUNTIME_TOOLS_WORK_H
#define KVASIR_RUNTIME_TOOLS_WORK_H

#include "plugins/plugin_file.h"

namespace kvasir::tools {

struct Work {
  uint64_t weightsOffset = 0, weightsBytes = 0; ///< in the file
  uint64_t stepBytes = 0;                       ///< of weights that one call reads, whatever the number of its tokens
  uint64_t tokenOps = 0;         ///< multiplies and adds of one token of a prompt: the matrices but the head
  uint64_t headOps = 0;          ///< of one wanted token more
  uint64_t stateBytesPerRow = 0; ///< of all caches and layers
  std::string activations;       ///< "int8", "bf16", "exact"
};

/// Throws Failed if the file can't be read.
Work readWork(const std::string &path);

} // namespace kvasir::tools

#endif
