// SPDX-License-Identifier: MIT
// Where the members of a team meet.
#ifndef KVASIR_RUNTIME_TEAM_BARRIER_H
#define KVASIR_RUNTIME_TEAM_BARRIER_H

#include "runtime/team/parking.h"

#include "kvasir/plugin.h"

#include <atomic>
#include <cstdint>

namespace kvasir::runtime {

/// A flag that a person or another thread raises to stop a call.
using CancelFlag = std::atomic<bool>;

/// A barrier with one answer for all: the last to arrive reads the cancel flag, so that members never disagree about
/// whether to go on. Cost: one atomic add each and one shared line; 60-350 ns for two members, by how near they are.
class Barrier {
public:
  /// For threads that spin at most `spins` rounds before they sleep.
  explicit Barrier(uint32_t spins) : spins(spins) {}

  /// How many threads meet from now on; nobody may be at it.
  void expect(uint32_t count) { members = count; }

  /// Waits for all members. KV_CANCELLED if `cancel` (may be null; the same for all) was raised when the last arrived.
  /// Adds to `slept` how long this one slept.
  kv_status arriveAndWait(const CancelFlag *cancel, std::chrono::nanoseconds &slept);

private:
  uint32_t members = 1;
  const uint32_t spins;
  alignas(64) std::atomic<uint32_t> arrived{0};
  // Written by the last to arrive before it opens the gate; the next write comes after all have read and arrived again.
  kv_status answer = KV_OK;
  alignas(64) Gate gate;
};

} // namespace kvasir::runtime

#endif
