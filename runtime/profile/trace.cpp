// SPDX-License-Identifier: MIT
#include "runtime/profile/trace.h"

#include "runtime/state/error.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime::profile {
namespace {

// Of one execute: a model of 200 layers whose kernels meet 50 times has 10,000. 32 MB a member, touched as they come.
constexpr size_t kMostMeetings = 1 << 20;

double secondsBetween(BarrierWatch::Time from, BarrierWatch::Time to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Tells a team's barriers as long as it lives.
class Watching {
public:
  Watching(Team &team, BarrierWatch &watch) : team(team) { team.watchBarriers(&watch); }
  Watching(const Watching &) = delete;
  ~Watching() { team.watchBarriers(nullptr); }

private:
  Team &team;
};

CallShape shapeOf(const kv_call &call) {
  CallShape shape;
  shape.starts.assign(call.starts, call.starts + call.num_sequences);
  shape.counts.assign(call.counts, call.counts + call.num_sequences);
  for (uint64_t w = 0; w < call.num_wanted; ++w)
    shape.wantedPositions.push_back(static_cast<uint64_t>(call.positions[call.wanted[w]]));
  shape.numTokens = call.num_tokens;
  return shape;
}

} // namespace

void Trace::met(uint32_t member, Time arrived, Time left) {
  Member &own = members[member];
  if (own.numMeetings++ < kMostMeetings)
    own.meetings.push_back({own.cell->step, own.cell->passes, arrived, left}); // within what is reserved
}

void Trace::clear(const ObservedExecute &observed) {
  members.resize(observed.team.size());
  const uint64_t cellBytes = members.size() * kStepCellBytes;
  if (observed.call.scratch_bytes < cellBytes)
    throw Error(KV_UNSUPPORTED, "function " + observed.function.name + " asks for " +
                                    std::to_string(observed.call.scratch_bytes) +
                                    " bytes of scratch, which have no room for the steps of " +
                                    std::to_string(members.size()) + " members");
  std::memset(observed.call.scratch, 0, cellBytes);
  for (size_t i = 0; i < members.size(); ++i) {
    members[i].cell = reinterpret_cast<const StepCell *>(observed.call.scratch + i * kStepCellBytes);
    members[i].meetings.clear();
    members[i].meetings.reserve(kMostMeetings);
    members[i].numMeetings = 0;
  }
}

void Trace::requireEqualMeetings() const {
  for (const Member &member : members) {
    if (member.numMeetings > kMostMeetings)
      throw Error(KV_UNSUPPORTED, "the call has " + std::to_string(member.numMeetings) + " barriers; at most " +
                                      std::to_string(kMostMeetings) + " can be measured, give fewer tokens");
    if (member.numMeetings != members.front().numMeetings)
      throw Error(KV_FAILED, "members of the team met at " + std::to_string(members.front().numMeetings) + " and " +
                                 std::to_string(member.numMeetings) + " barriers");
  }
}

/// The time between two meetings is that of the step which the member was in when it came to the second.
std::vector<StepTime> Trace::timesFrom(Time begin) const {
  std::vector<StepTime> times(numSteps + 1);
  const double share = 1.0 / static_cast<double>(members.size());
  for (size_t i = 0; i < members.front().meetings.size(); ++i) {
    Time last = begin;
    for (const Member &member : members)
      last = std::max(last, member.meetings[i].arrived);
    for (const Member &member : members) {
      const Meeting &meeting = member.meetings[i];
      StepTime &time = times[meeting.step <= numSteps ? meeting.step : 0];
      time.workSeconds += secondsBetween(i ? member.meetings[i - 1].left : begin, meeting.arrived) * share;
      time.skewSeconds += secondsBetween(meeting.arrived, last) * share;
      time.barrierSeconds += secondsBetween(last, meeting.left) * share;
      if (&member == &members.front())
        time.passes += meeting.passes - (i ? member.meetings[i - 1].passes : 0);
    }
  }
  return times;
}

void Trace::around(const ObservedExecute &observed, const std::function<void()> &execute) {
  clear(observed);
  Time begin, end;
  {
    const Watching watching(observed.team, *this);
    begin = std::chrono::steady_clock::now();
    execute();
    end = std::chrono::steady_clock::now();
  }
  requireEqualMeetings();
  ExecuteTimes times{shapeOf(observed.call), secondsBetween(begin, end), timesFrom(begin)};
  double known = 0;
  for (const StepTime &step : times.steps)
    known += step.seconds();
  times.steps.front().workSeconds += times.seconds - known;
  executes.push_back(std::move(times));
}

} // namespace kvasir::runtime::profile
