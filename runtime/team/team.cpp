// SPDX-License-Identifier: MIT
#include "runtime/team/team.h"

#include <algorithm>
#include <csignal>
#include <sched.h>
#include <system_error>

namespace kvasir::runtime {
namespace {

// About 100 us: longer than the host's work between two steps of decode, so that members are awake for the next one.
constexpr uint32_t kSpins = 4000;
// Members without a processor of their own take it from the one that they wait for.
constexpr uint32_t kCrowdedSpins = 50;

/// Keeps the calling thread on one processor while it lives: a member 0 that wanders onto another member's processor
/// stops both. Costs about 15 us, three calls of the kernel.
class Stay {
public:
  explicit Stay(int processor) : isKept(processor >= 0 && sched_getaffinity(0, sizeof before, &before) == 0) {
    if (!isKept)
      return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    isKept = sched_setaffinity(0, sizeof set, &set) == 0;
  }
  Stay(const Stay &) = delete;
  ~Stay() {
    if (isKept)
      sched_setaffinity(0, sizeof before, &before);
  }

private:
  cpu_set_t before;
  bool isKept;
};

/// Default rounding and no flushing of denormals for generated code, whatever the host's thread has; it gets its own
/// back.
class PlainFloats {
public:
#if defined(__x86_64__)
  PlainFloats() : before(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(0x1f80); }
  ~PlainFloats() { __builtin_ia32_ldmxcsr(before); }

private:
  unsigned before;
#else
  PlainFloats() {}
#endif
  PlainFloats(const PlainFloats &) = delete;
};

} // namespace

Team::Team(uint32_t members, Pinning pinning, const Processors &processors)
    : numMembers(members ? members : processors.cores),
      spins(numMembers <= processors.numbers.size() ? kSpins : kCrowdedSpins), inside(numMembers, spins),
      border{sizeof(kv_team), numMembers, this, &Team::meet} {
  const bool isAlone = numMembers == processors.cores || numMembers == processors.numbers.size();
  const bool pins = numMembers > 1 && numMembers <= processors.numbers.size() &&
                    (pinning == Pinning::on || (pinning == Pinning::automatic && isAlone));
  if (pins)
    ownProcessor = processors.numbers[0];
  seats.reserve(numMembers);
  for (uint32_t member = 0; member < numMembers; ++member) {
    auto seat = std::make_unique<Seat>();
    seat->team = this;
    seat->member = member;
    if (member > 0)
      start(*seat, pins ? processors.numbers[member] : -1);
    seats.push_back(std::move(seat));
  }
}

Team::~Team() { stop(); }

void Team::start(Seat &seat, int processor) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (processor >= 0) {
    // Set before the thread is born: one that is moved afterwards begins on its parent's processor and waits there.
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
  }
  // A member takes no signals: handlers belong to the host's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&seat.thread, &attributes, &Team::enter, &seat);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0)
    return;
  stop();
  throw std::system_error(error, std::generic_category(), "can't start a thread");
}

void Team::stop() {
  quits = true;
  for (size_t member = 1; member < seats.size(); ++member)
    seats[member]->go.open();
  for (size_t member = 1; member < seats.size(); ++member)
    pthread_join(seats[member]->thread, nullptr);
  seats.clear();
}

void *Team::enter(void *seat) {
  auto *own = static_cast<Seat *>(seat);
  own->team->serve(*own);
  return nullptr;
}

kv_status Team::meet(const kv_team *team, uint32_t member) {
  auto *self = static_cast<Team *>(team->host);
  if (member == 0 && ++self->numMet == self->raiseAt)
    self->raised->store(true, std::memory_order_relaxed); // it sees it itself when it arrives
  return self->inside.arriveAndWait(member, self->cancel, self->seats[member]->slept);
}

kv_status Team::meetWatched(const kv_team *team, uint32_t member) {
  const auto arrived = std::chrono::steady_clock::now();
  const kv_status answer = meet(team, member);
  static_cast<Team *>(team->host)->watch->met(member, arrived, std::chrono::steady_clock::now());
  return answer;
}

void Team::serve(Seat &seat) {
  const PlainFloats floats;
  for (uint32_t seen = 0;; ++seen) {
    seat.go.waitPast(seen, spins);
    if (quits)
      return;
    seat.slept = {};
    (*work)(border, seat.member);
    if (numInside.fetch_sub(1, std::memory_order_acq_rel) == 1)
      end.open();
  }
}

void Team::raiseAtBarrier(CancelFlag *flag, uint64_t barrier) {
  raised = flag;
  raiseAt = flag ? barrier : 0;
}

void Team::watchBarriers(BarrierWatch *newWatch) {
  watch = newWatch;
  border.barrier = watch ? &Team::meetWatched : &Team::meet;
}

void Team::run(const Work &newWork, const CancelFlag *newCancel, uint32_t members) {
  const Stay stay(members > 1 && mustStay() ? ownProcessor : -1); // alone it goes where there is room
  const PlainFloats floats;
  const uint32_t seenEnd = end.generation();
  work = &newWork;
  cancel = newCancel;
  numMet = 0;
  border.members = members;
  inside.expect(members);
  numInside.store(members - 1, std::memory_order_relaxed);
  for (uint32_t member = 1; member < members; ++member)
    seats[member]->go.open();
  seats[0]->slept = {};
  newWork(border, 0);
  if (members > 1)
    seats[0]->slept += end.waitPast(seenEnd, spins);
}

/// A thread that is where it belongs is left alone, and stays: the other processors' members keep them busy. Where
/// others compete for its own it is moved, and members wait for one another in their sleep.
bool Team::mustStay() const { return ownProcessor >= 0 && (sched_getcpu() != ownProcessor || stalledSeconds() > 0); }

double Team::stalledSeconds() const {
  std::chrono::nanoseconds sum{0};
  for (uint32_t member = 0; member < border.members; ++member)
    sum += seats[member]->slept;
  return std::chrono::duration<double>(sum).count() / std::max(1u, border.members - 1);
}

} // namespace kvasir::runtime
