// SPDX-License-Identifier: MIT
// The threads that run one call together.
#ifndef KVASIR_RUNTIME_TEAM_TEAM_H
#define KVASIR_RUNTIME_TEAM_TEAM_H

#include "runtime/team/barrier.h"
#include "runtime/team/processors.h"

#include <chrono>
#include <functional>
#include <memory>
#include <pthread.h>
#include <vector>

namespace kvasir::runtime {

/// Whether members keep to one processor each. `automatic` pins a team that takes every core that the process may use:
/// a smaller one would sit on the same processors as its neighbour's.
enum class Pinning : uint32_t { automatic, on, off };

/// Who hears of each barrier within a run.
class BarrierWatch {
public:
  using Time = std::chrono::steady_clock::time_point;

  virtual ~BarrierWatch() = default;

  /// From the member's own thread, when it goes on: it came at `arrived` and left at `left`. Must not throw.
  virtual void met(uint32_t member, Time arrived, Time left) = 0;
};

/// Members that run together, all of them or the first few: the caller of `run` is member 0, the others are threads of
/// the team that sleep between runs. A team of one has no thread. One run at a time: callers keep a lock.
class Team {
public:
  /// `members` 0 takes one for each core. Throws std::system_error if a thread can't be made.
  explicit Team(uint32_t members, Pinning pinning = Pinning::automatic) : Team(members, pinning, usableProcessors()) {}
  Team(const Team &) = delete;
  ~Team();

  uint32_t size() const { return numMembers; }

  /// What `run` gives its work: member `i`'s number and the team as plugins see it.
  using Work = std::function<void(const kv_team &team, uint32_t member)>;

  /// Runs `work` on the first `members` members (at least 1) and returns when all have; the others sleep on. Barriers
  /// of the team answer KV_CANCELLED once `cancel` (may be null) is raised. `work` must not throw, and all members must
  /// make the same barrier calls.
  void run(const Work &work, const CancelFlag *cancel, uint32_t members);
  void run(const Work &work, const CancelFlag *cancel) { run(work, cancel, numMembers); }

  /// How long members of the last run slept because others were late, as the mean over those that one who is late keeps
  /// waiting. Waits that end while a member still spins are not in it.
  double stalledSeconds() const;

  /// For those who make calls fail: in the next runs member 0 raises `flag` before it meets the others at the barrier
  /// of this number, from 1, so that it is the first that says so. Null: no more.
  void raiseAtBarrier(CancelFlag *flag, uint64_t barrier);

  /// For those who measure: the barriers of the next runs are told to `watch`. Null: no more, and no cost.
  void watchBarriers(BarrierWatch *watch);

  /// Barriers of the last run, or so many as there were before it was cancelled.
  uint64_t numBarriers() const { return numMet; }

private:
  Team(uint32_t members, Pinning pinning, const Processors &processors);

  /// What belongs to one member; on lines of its own.
  struct alignas(64) Seat {
    std::chrono::nanoseconds slept{0}; ///< in the last run; written before the member leaves it
    Gate go;                           ///< of a worker
    Team *team = nullptr;
    uint32_t member = 0;
    pthread_t thread{};
  };

  static void *enter(void *worker);
  static kv_status meet(const kv_team *team, uint32_t member);
  static kv_status meetWatched(const kv_team *team, uint32_t member);
  void serve(Seat &seat);
  void start(Seat &seat, int processor);
  void stop();
  bool mustStay() const;

  const uint32_t numMembers;
  int ownProcessor = -1; ///< where member 0 is kept during a run, or -1
  const uint32_t spins;
  Barrier inside;
  alignas(64) std::atomic<uint32_t> numInside{0}; ///< workers that have not left the run yet
  Gate end;
  // Written by member 0 before it opens workers' gates, and read by all at each barrier.
  alignas(64) kv_team border;
  const Work *work = nullptr;
  const CancelFlag *cancel = nullptr;
  bool quits = false;
  std::vector<std::unique_ptr<Seat>> seats; ///< [members]; the first is the caller's and has no thread
  // Member 0's alone, written at each barrier: on a line that no other member reads.
  alignas(64) uint64_t numMet = 0;
  uint64_t raiseAt = 0;
  CancelFlag *raised = nullptr;
  BarrierWatch *watch = nullptr;
};

} // namespace kvasir::runtime

#endif
