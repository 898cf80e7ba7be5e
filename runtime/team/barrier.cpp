// SPDX-License-Identifier: MIT
#include "runtime/team/barrier.h"

namespace kvasir::runtime {

kv_status Barrier::arriveAndWait(const CancelFlag *cancel, std::chrono::nanoseconds &slept) {
  const uint32_t generation = gate.generation();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
    arrived.store(0, std::memory_order_relaxed);
    answer = cancel && cancel->load(std::memory_order_relaxed) ? KV_CANCELLED : KV_OK;
    const kv_status own = answer;
    gate.open();
    return own;
  }
  slept += gate.waitPast(generation, spins);
  return answer;
}

} // namespace kvasir::runtime
