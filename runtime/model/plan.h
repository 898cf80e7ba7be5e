// SPDX-License-Identifier: MIT
// The memory of conversations, before any of it is asked for.
#ifndef KVASIR_RUNTIME_MODEL_PLAN_H
#define KVASIR_RUNTIME_MODEL_PLAN_H

#include "runtime/model/model.h"

namespace kvasir::runtime {

struct MemoryPlan {
  std::vector<uint64_t> slotBytes;  ///< [slots] most bytes that the slot's blocks take at once
  uint64_t idBytes = 0;             ///< the same of the tokens' ids
  uint64_t prefillScratchBytes = 0; ///< most of any execute while the sequences are filled
  uint64_t decodeScratchBytes = 0;  ///< of one more token for each

  uint64_t stateBytes() const;
};

/// What `batch` sequences take that are filled to one token less than `context` by one predict and then get one more
/// token each; 0 takes the model's context. Asks the plugin's prepare, allocates nothing of what it counts.
/// Throws bad input beyond the context, what prepare fails with, `unsupported` if the model can't predict.
/// Cost: one prepare for each execute that filling takes.
MemoryPlan planMemory(const Model &model, uint64_t context, uint64_t batch);

} // namespace kvasir::runtime

#endif
