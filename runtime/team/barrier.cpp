// SPDX-License-Identifier: MIT
#include "runtime/team/barrier.h"

namespace kvasir::runtime {
namespace {

/// Members that each hears in a round, itself included.
constexpr uint32_t kWays = 4;

uint32_t roundsOf(uint32_t members) {
  uint32_t rounds = 0;
  for (uint64_t reached = 1; reached < members; reached *= kWays)
    ++rounds;
  return rounds;
}

} // namespace

Barrier::Barrier(uint32_t most, uint32_t spins)
    : spins(spins), meetings(most), signals(size_t(roundsOf(most)) * most) {}

void Barrier::expect(uint32_t count) {
  if (count == members)
    return;
  members = count;
  // Those who were not expected have counted less, and signals of theirs are as old.
  const uint32_t number = meetings[0].number;
  for (Meetings &own : meetings)
    own.number = number;
  for (Signal &signal : signals)
    for (Gate &gate : signal.gates)
      gate.open(2 * number);
}

kv_status Barrier::arriveAndWait(uint32_t member, const CancelFlag *cancel, std::chrono::nanoseconds &slept) {
  const uint32_t number = ++meetings[member].number;
  uint32_t isCancelled = cancel && cancel->load(std::memory_order_relaxed);
  uint32_t round = 0;
  for (uint64_t reach = 1; reach < members; reach *= kWays, ++round) {
    signal(round, member).gates[number % 2].open(2 * number + isCancelled);
    for (uint64_t before = reach; before < members && before < kWays * reach; before += reach) {
      const uint64_t other = member >= before ? member - before : member + members - before;
      Gate &gate = signal(round, other).gates[number % 2];
      uint32_t heard = gate.generation();
      if ((heard | 1) != (2 * number | 1)) {
        slept += gate.waitPast(heard, spins);
        heard = gate.generation();
      }
      isCancelled |= heard % 2;
    }
  }
  return isCancelled ? KV_CANCELLED : KV_OK;
}

} // namespace kvasir::runtime
