// SPDX-License-Identifier: MIT
// What a model has to read and to compute for each token, whoever does it.
#ifndef KVASIR_RUNTIME_TOOLS_WORK_H
#define KVASIR_RUNTIME_TOOLS_WORK_H

#include "plugins/plugin_file.h"
#include "runtime/tools/limits.h"

#include <array>
#include <map>
#include <string>

namespace kvasir::tools {

/// Multiplies and adds, by the arithmetic that they are done in: codes as activations are rounded, plain weights of
/// bf16 in bf16, others in f32.
using Ops = std::array<uint64_t, kNumArithmetics>;

/// One layer of a tensor, for one row that meets it.
struct TensorWork {
  uint64_t bytes = 0, ops = 0;
  Arithmetic arithmetic = Arithmetic::f32;
};

struct Work {
  uint64_t weightsOffset = 0, weightsBytes = 0; ///< in the file
  uint64_t stepBytes = 0;                       ///< of weights that one call reads, whatever the number of its tokens
  Ops tokenOps = {};                            ///< of one token of a prompt: the matrices but the head
  Ops headOps = {};                             ///< of one wanted token more
  uint64_t stateBytesPerRow = 0;                ///< of all caches and layers
  std::map<std::string, TensorWork> tensors;    ///< by name, families once
};

/// Throws Failed if the file can't be read.
Work readWork(const std::string &path);

} // namespace kvasir::tools

#endif
