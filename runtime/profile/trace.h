// SPDX-License-Identifier: MIT
// What each step of a plugin's code took, and what the members of the team did with that time.
#ifndef KVASIR_RUNTIME_PROFILE_TRACE_H
#define KVASIR_RUNTIME_PROFILE_TRACE_H

#include "plugins/steps.h"
#include "runtime/model/observer.h"

#include <vector>

namespace kvasir::runtime::profile {

/// Of one step in one execute. Times are the members' mean.
struct StepTime {
  uint64_t passes = 0;       ///< how often it was begun: once a layer
  double workSeconds = 0;    ///< until the member came to a barrier
  double skewSeconds = 0;    ///< from there until the last member came
  double barrierSeconds = 0; ///< from there until the member went on

  double seconds() const { return workSeconds + skewSeconds + barrierSeconds; }
};

/// What of a call says how much an op has to do.
struct CallShape {
  std::vector<uint64_t> starts, counts;  ///< [B]
  std::vector<uint64_t> wantedPositions; ///< [W]
  uint64_t numTokens = 0;
};

/// One execute of a plugin.
struct ExecuteTimes {
  CallShape shape;
  double seconds = 0;
  std::vector<StepTime> steps; ///< [1 + steps]; the first is what belongs to none, so that all add up to `seconds`
};

/// Measures the executes of the calls whose request names it. A plugin runs as it does for others; at each barrier two
/// looks at the clock are added, some 50 ns.
class Trace final : public Observer, private BarrierWatch {
public:
  /// For a plugin with a section "steps", of the variant that runs.
  explicit Trace(size_t numSteps) : numSteps(numSteps) {}

  /// Throws `failed` if members did not meet at the same barriers, `unsupported` if there are too many of them or
  /// scratch has no room for the members' cells.
  void around(const ObservedExecute &observed, const std::function<void()> &execute) override;

  /// Those since the last time.
  std::vector<ExecuteTimes> take() { return std::move(executes); }

private:
  struct Meeting {
    uint32_t step, passes;
    Time arrived, left;
  };
  /// On lines of its own: each is written by one member.
  struct alignas(64) Member {
    const StepCell *cell = nullptr;
    std::vector<Meeting> meetings;
    uint64_t numMeetings = 0; ///< those that there was no room for, too
  };

  void met(uint32_t member, Time arrived, Time left) override;
  void clear(const ObservedExecute &observed);
  void requireEqualMeetings() const;
  std::vector<StepTime> timesFrom(Time begin) const;

  const size_t numSteps;
  std::vector<Member> members;
  std::vector<ExecuteTimes> executes;
};

} // namespace kvasir::runtime::profile

#endif
