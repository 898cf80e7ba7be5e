// SPDX-License-Identifier: MIT
#include "runtime/team/team_size.h"

#include <algorithm>
#include <cmath>

namespace kvasir::runtime {
namespace {

// A member that shares its processor with one other program keeps the rest waiting for half of the time.
constexpr double kTolerated = 0.2;
// Beyond what is tolerated: so much is more than one late member.
constexpr double kManyLate = 0.5;
// Three turns of a scheduler that gives each of two threads 3 ms: less is one interruption, not a competitor.
constexpr double kLeastPatience = 0.008, kMostPatience = 0.25;
constexpr double kLeastHold = 0.1, kMostHold = 1;
// Long enough to see both threads' turns several times; steps may be long themselves.
constexpr uint32_t kTrialSteps = 8;
constexpr double kTrialSeconds = 0.025, kMostTrialSeconds = 0.1;
// What a trial costs or saves, beyond a step's time, when it needs no more steps; it takes so many times that until the
// next one.
constexpr double kDecisive = 0.005, kCostsApart = 20;
constexpr double kWeight = 0.125; // of the newest step in the mean

} // namespace

// The first trial that succeeds doubles the hold.
TeamSize::TeamSize(uint32_t most) : most(most), size(most), patience(kLeastPatience), hold(kLeastHold / 2) {}

void TeamSize::record(double seconds, double stalledSeconds) {
  if (trial) {
    trial->steps.add(seconds);
    judge();
  } else {
    watch(seconds, stalledSeconds);
  }
}

void TeamSize::watch(double seconds, double stalledSeconds) {
  mean = sinceTrial == 0 ? seconds : mean + kWeight * (seconds - mean);
  sinceTrial += seconds;
  stalled = std::max(0.0, stalled + stalledSeconds - kTolerated * seconds);
  if (stalled == 0)
    disturbed = {};
  else
    disturbed.add(seconds);
  if (size == most && sinceTrial > kMostHold)
    hold = kLeastHold;
  if (size > 1 && stalled > patience)
    begin(fewer(stalled > kManyLate * disturbed.seconds ? size / 2 : stride), disturbed.mean());
  else if (size < most && sinceTrial > hold)
    begin(more(), mean);
}

void TeamSize::judge() {
  const Steps &steps = trial->steps;
  const double cost = steps.seconds - steps.count * trial->mean;
  const bool isLong = steps.seconds >= (steps.count >= kTrialSteps ? kTrialSeconds : kMostTrialSeconds);
  if (std::abs(cost) < std::max(kDecisive, trial->mean) && !isLong)
    return;
  cost < 0 ? keep() : giveUp(cost);
}

void TeamSize::begin(uint32_t newSize, double before) {
  trial = Trial{size, before, {}};
  size = newSize;
  stalled = 0;
  disturbed = {};
  sinceTrial = 0;
}

void TeamSize::keep() {
  if (size < trial->before) {
    patience = kLeastPatience;
    hold = std::clamp(2 * hold, kLeastHold, kMostHold);
  }
  stride = 1;
  triesAll = true;
  trial.reset();
}

/// One member fewer does not help where several are disturbed; all do not help where some still are.
void TeamSize::giveUp(double cost) {
  if (size < trial->before) {
    const bool isLeast = size == 1;
    stride = isLeast ? 1 : 2 * stride;
    patience = isLeast ? std::min(2 * patience, kMostPatience) : patience;
  } else {
    triesAll = !triesAll;
    hold = std::max(std::min(2 * hold, kMostHold), kCostsApart * cost);
  }
  size = trial->before;
  trial.reset();
}

} // namespace kvasir::runtime
