// SPDX-License-Identifier: MIT
#include "runtime/team/team.h"

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
/// stops both.
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
      spins(numMembers <= processors.numbers.size() ? kSpins : kCrowdedSpins),
      border{sizeof(kv_team), numMembers, this, &Team::meet}, inside(numMembers, spins), end(numMembers, spins) {
  const bool isAlone = numMembers == processors.cores || numMembers == processors.numbers.size();
  const bool pins = numMembers > 1 && numMembers <= processors.numbers.size() &&
                    (pinning == Pinning::on || (pinning == Pinning::automatic && isAlone));
  if (pins)
    ownProcessor = processors.numbers[0];
  workers.reserve(numMembers - 1);
  for (uint32_t member = 1; member < numMembers; ++member) {
    auto worker = std::make_unique<Worker>(Worker{this, member, {}});
    start(*worker, pins ? processors.numbers[member] : -1);
    workers.push_back(std::move(worker));
  }
}

Team::~Team() { stop(); }

void Team::start(Worker &worker, int processor) {
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
  const int error = pthread_create(&worker.thread, &attributes, &Team::enter, &worker);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0)
    return;
  stop();
  throw std::system_error(error, std::generic_category(), "can't start a thread");
}

void Team::stop() {
  quits = true;
  go.open();
  for (const auto &worker : workers)
    pthread_join(worker->thread, nullptr);
  workers.clear();
}

void *Team::enter(void *worker) {
  const auto *self = static_cast<Worker *>(worker);
  self->team->serve(self->member);
  return nullptr;
}

kv_status Team::meet(const kv_team *team, uint32_t member) {
  auto *self = static_cast<Team *>(team->host);
  if (member == 0 && ++self->numMet == self->raiseAt)
    self->raised->store(true, std::memory_order_relaxed); // the last to arrive sees it: arriving publishes
  return self->inside.arriveAndWait(self->cancel);
}

kv_status Team::meetWatched(const kv_team *team, uint32_t member) {
  const auto arrived = std::chrono::steady_clock::now();
  const kv_status answer = meet(team, member);
  static_cast<Team *>(team->host)->watch->met(member, arrived, std::chrono::steady_clock::now());
  return answer;
}

void Team::serve(uint32_t member) {
  const PlainFloats floats;
  for (uint32_t seen = 0;; ++seen) {
    go.waitPast(seen, spins);
    if (quits)
      return;
    (*work)(border, member);
    end.arriveAndWait(nullptr);
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

void Team::run(const Work &newWork, const CancelFlag *newCancel) {
  const Stay stay(ownProcessor);
  const PlainFloats floats;
  work = &newWork;
  cancel = newCancel;
  numMet = 0;
  if (numMembers > 1)
    go.open();
  newWork(border, 0);
  end.arriveAndWait(nullptr);
}

} // namespace kvasir::runtime
