// SPDX-License-Identifier: MIT
// The choice of a team's size against a machine whose times are computed: nothing here looks at a clock.
#include "runtime/team/team_size.h"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

using namespace kvasir::runtime;

namespace {

using Nanoseconds = int64_t;

constexpr Nanoseconds kSecond = 1'000'000'000;
constexpr Nanoseconds kTurn = 3'000'000; ///< the scheduler's, of two threads on one processor
constexpr Nanoseconds kSpin = 100'000;   ///< what a member waits before it sleeps
constexpr int kBarriers = 150;           ///< of a step

/// Processors of which some are busy with other programs, which move to a free one if there is one. A member whose
/// processor is busy has every other turn, each one at another time.
struct Machine {
  uint32_t processors;
  double alone;   ///< seconds of a step of one member
  double scaling; ///< m members are m^scaling times as fast
  uint32_t busy;
  Nanoseconds now = 0;

  struct Step {
    double seconds, stalled;
  };

  static Nanoseconds endOf(Nanoseconds begin, Nanoseconds work, Nanoseconds phase) {
    while (true) {
      const Nanoseconds within = (begin + phase) % (2 * kTurn);
      const Nanoseconds left = kTurn - within;
      if (left >= work)
        return begin + work;
      begin += 2 * kTurn - within;
      work -= std::max<Nanoseconds>(left, 0);
    }
  }

  Step step(uint32_t members) {
    const Nanoseconds begin = now;
    const uint32_t free = processors - members;
    const uint32_t disturbed = busy > free ? std::min(busy - free, members) : 0;
    const auto work = static_cast<Nanoseconds>(alone * kSecond / std::pow(members, scaling) / kBarriers);
    Nanoseconds stalled = 0;
    for (int barrier = 0; barrier < kBarriers; ++barrier) {
      Nanoseconds last = now + work;
      for (uint32_t member = 0; member < disturbed; ++member)
        last = std::max(last, endOf(now, work, member * 700'000));
      const Nanoseconds wait = last - now - work;
      stalled += wait > kSpin ? wait - kSpin : 0;
      now = last;
    }
    return {static_cast<double>(now - begin) / kSecond, static_cast<double>(stalled) / kSecond};
  }

  /// Seconds of a step on average over `seconds`, with so many members.
  double mean(uint32_t members, double seconds) {
    const Nanoseconds begin = now;
    int count = 0;
    for (; now - begin < seconds * kSecond; ++count)
      step(members);
    return static_cast<double>(now - begin) / kSecond / count;
  }

  double mean(TeamSize &size, double seconds) {
    const Nanoseconds begin = now;
    int count = 0;
    for (; now - begin < seconds * kSecond; ++count) {
      const Step taken = step(size.choose());
      size.record(taken.seconds, taken.stalled);
    }
    return static_cast<double>(now - begin) / kSecond / count;
  }
};

double bestMean(Machine machine, double seconds) {
  double best = INFINITY;
  for (uint32_t members = 1; members <= machine.processors; ++members)
    best = std::min(best, Machine(machine).mean(members, seconds));
  return best;
}

} // namespace

TEST_CASE("beside other programs a team comes near the best size that does not change") {
  struct Case {
    uint32_t processors, busy;
    double leastShare; ///< of the speed of the best size, over 3 seconds
  };
  for (const Case &each : {Case{2, 1, 0.95},
                           {2, 2, 0.9},
                           {4, 1, 0.95},
                           {4, 3, 0.9},
                           {4, 4, 0.9},
                           {8, 1, 0.95},
                           {8, 3, 0.9},
                           {8, 8, 0.65},
                           {16, 1, 0.95},
                           {16, 9, 0.65}})
    for (const double alone : {0.004, 0.03})
      for (const double scaling : {0.35, 0.9}) {
        CAPTURE(each.processors);
        CAPTURE(each.busy);
        CAPTURE(alone);
        CAPTURE(scaling);
        Machine machine{each.processors, alone, scaling, each.busy};
        TeamSize size(each.processors);
        CHECK(bestMean(machine, 3) / machine.mean(size, 3) >= each.leastShare);
      }
}

TEST_CASE("a team that nobody disturbs is always whole") {
  for (const uint32_t processors : {1u, 2u, 16u}) {
    Machine machine{processors, 0.004, 0.9, 0};
    TeamSize size(processors);
    for (int step = 0; step < 5000; ++step) {
      REQUIRE(size.choose() == processors);
      const auto taken = machine.step(processors);
      size.record(taken.seconds, 0.15 * taken.seconds); // some skew there always is
    }
  }
}

TEST_CASE("a single interruption does not make a team smaller") {
  TeamSize size(2);
  for (int step = 0; step < 1000; ++step) {
    const bool isInterrupted = step % 20 == 0;
    size.record(isInterrupted ? 0.005 : 0.002, isInterrupted ? 0.003 : 0);
    REQUIRE(size.choose() == 2);
  }
}

TEST_CASE("a team is whole again soon after the others have gone") {
  for (const uint32_t processors : {2u, 4u, 16u}) {
    CAPTURE(processors);
    Machine machine{processors, 0.004, 0.9, 1};
    TeamSize size(processors);
    machine.mean(size, 10);
    for (int step = 0; step < 100 && size.choose() == processors; ++step) // while it tries
      machine.mean(size, 0.01);
    CHECK(size.choose() < processors);
    machine.busy = 0;
    machine.mean(size, 1.5);
    CHECK(size.choose() == processors);
  }
}

TEST_CASE("fewer members stay only while they are faster") {
  TeamSize size(2);
  uint32_t numAlone = 0;
  for (int step = 0; step < 10000; ++step) {
    const bool isAlone = size.choose() == 1;
    numAlone += isAlone;
    size.record(isAlone ? 0.006 : 0.005, isAlone ? 0 : 0.002); // late members that nothing helps
  }
  CHECK(numAlone > 0);
  CHECK(numAlone < 1000);
}
