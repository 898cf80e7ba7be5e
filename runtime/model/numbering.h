// SPDX-License-Identifier: MIT
// How the tokens of one execute are numbered.
#ifndef KVASIR_RUNTIME_MODEL_NUMBERING_H
#define KVASIR_RUNTIME_MODEL_NUMBERING_H

#include "runtime/model/batch.h"

#include "kvasir/plugin.h"

namespace kvasir::runtime {

/// The border's arrays that follow from a chunk and from how many tokens its sequences hold before it.
struct Numbering {
  /// `starts` [runs of the chunk].
  Numbering(const Chunk &chunk, std::vector<uint64_t> starts);

  /// Points the call at these arrays and the chunk's; they must outlive it.
  void link(const Chunk &chunk, kv_call &call) const;

  std::vector<uint64_t> starts, counts, firsts; ///< [runs]
  std::vector<uint32_t> tokenSequence;          ///< [T]
  std::vector<int64_t> positions;               ///< [T]
};

} // namespace kvasir::runtime

#endif
