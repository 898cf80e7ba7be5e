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

/// A fixed number of members: the caller of `run` is member 0, the others are threads of the team that sleep between
/// runs. A team of one has no thread. One run at a time: callers keep a lock.
class Team {
public:
  /// `members` 0 takes one for each core. Throws std::system_error if a thread can't be made.
  explicit Team(uint32_t members, Pinning pinning = Pinning::automatic) : Team(members, pinning, usableProcessors()) {}
  Team(const Team &) = delete;
  ~Team();

  uint32_t size() const { return numMembers; }

  /// What `run` gives its work: member `i`'s number and the team as plugins see it.
  using Work = std::function<void(const kv_team &team, uint32_t member)>;

  /// Runs `work` on every member and returns when all have. Barriers of the team answer KV_CANCELLED once `cancel` (may
  /// be null) is raised. `work` must not throw, and all members must make the same barrier calls.
  void run(const Work &work, const CancelFlag *cancel);

  /// For those who make calls fail: in the next runs member 0 raises `flag` before it meets the others at the barrier
  /// of this number, from 1, so that it is the first that says so. Null: no more.
  void raiseAtBarrier(CancelFlag *flag, uint64_t barrier);

  /// For those who measure: the barriers of the next runs are told to `watch`. Null: no more, and no cost.
  void watchBarriers(BarrierWatch *watch);

  /// Barriers of the last run, or so many as there were before it was cancelled.
  uint64_t numBarriers() const { return numMet; }

private:
  Team(uint32_t members, Pinning pinning, const Processors &processors);

  struct Worker {
    Team *team;
    uint32_t member;
    pthread_t thread;
  };

  static void *enter(void *worker);
  static kv_status meet(const kv_team *team, uint32_t member);
  static kv_status meetWatched(const kv_team *team, uint32_t member);
  void serve(uint32_t member);
  void start(Worker &worker, int processor);
  void stop();

  const uint32_t numMembers;
  int ownProcessor = -1; ///< where member 0 is kept during a run, or -1
  const uint32_t spins;
  kv_team border;
  Gate go;
  Barrier inside, end;
  // Written by member 0 before it opens `go`.
  const Work *work = nullptr;
  const CancelFlag *cancel = nullptr;
  bool quits = false;
  // Member 0's alone.
  uint64_t numMet = 0, raiseAt = 0;
  CancelFlag *raised = nullptr;
  BarrierWatch *watch = nullptr;
  std::vector<std::unique_ptr<Worker>> workers;
};

} // namespace kvasir::runtime

#endif
