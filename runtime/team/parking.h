// SPDX-License-Identifier: MIT
// A word that threads wait on: they spin for a while, then sleep in the kernel.
#ifndef KVASIR_RUNTIME_TEAM_PARKING_H
#define KVASIR_RUNTIME_TEAM_PARKING_H

#include <atomic>
#include <chrono>
#include <cstdint>

namespace kvasir::runtime {

/// A generation counter with one writer at a time. A futex and not std::atomic::wait: that one spins by its own rules
/// and then hashes to a shared waiter pool, which costs more than a whole barrier here.
class Gate {
public:
  uint32_t generation() const { return word.load(std::memory_order_acquire); }

  /// Raises the generation; all that was written before is seen by those who waited for it.
  void open();

  /// The same, to a generation of the writer's choice.
  void open(uint32_t generation);

  /// Returns once the generation is not `seen`. Spins at most `spins` rounds (one is about 20-60 ns), then sleeps; how
  /// long it slept.
  std::chrono::nanoseconds waitPast(uint32_t seen, uint32_t spins);

private:
  void wake();

  std::atomic<uint32_t> word{0};
  std::atomic<uint32_t> sleepers{0};
};

} // namespace kvasir::runtime

#endif
