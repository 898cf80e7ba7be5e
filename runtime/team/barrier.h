// SPDX-License-Identifier: MIT
// Where the members of a team meet.
#ifndef KVASIR_RUNTIME_TEAM_BARRIER_H
#define KVASIR_RUNTIME_TEAM_BARRIER_H

#include "runtime/team/parking.h"

#include "kvasir/plugin.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace kvasir::runtime {

/// A flag that a person or another thread raises to stop a call.
using CancelFlag = std::atomic<bool>;

/// A barrier with one answer for all: a member that sees the cancel flag when it arrives tells all others, so that they
/// never disagree about whether to go on.
///
/// Nobody counts: each member writes lines of its own alone, and reads others'. In round r it signals, and hears the
/// members that are 1, 2 and 3 times 4^r before it in a ring (a dissemination barrier, Hensgen, Finkel and Manber 1988,
/// of four ways), so that after one round of up to 4 members, two of up to 16, each has heard from all. Cost: a line
/// that goes from one processor to another for each round, 30-200 ns by how near they are.
class Barrier {
public:
  /// For at most `most` threads that spin at most `spins` rounds before they sleep.
  Barrier(uint32_t most, uint32_t spins);

  /// How many threads meet from now on; nobody may be at it.
  void expect(uint32_t count);

  /// Waits for all members, of which this is the one with number `member`. KV_CANCELLED, for all of them, if one saw
  /// that `cancel` (may be null; the same for all) was raised. Adds to `slept` how long this one slept.
  kv_status arriveAndWait(uint32_t member, const CancelFlag *cancel, std::chrono::nanoseconds &slept);

private:
  /// What one member says in one round; generations are twice the number of the meeting, and one if it is cancelled.
  /// Two gates in turn: the next but one meeting begins when all have arrived at the next, thus left this one.
  struct alignas(64) Signal {
    std::array<Gate, 2> gates;
  };
  /// A member's own count, on a line of its own.
  struct alignas(64) Meetings {
    uint32_t number = 0;
  };

  Signal &signal(uint32_t round, uint32_t member) { return signals[size_t(round) * meetings.size() + member]; }

  uint32_t members = 1;
  const uint32_t spins;
  std::vector<Meetings> meetings; ///< [most]
  std::vector<Signal> signals;    ///< [rounds, most]
};

} // namespace kvasir::runtime

#endif
