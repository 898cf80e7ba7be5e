// SPDX-License-Identifier: MIT
#include "runtime/team/parking.h"

#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kvasir::runtime {
namespace {

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace

void Gate::open() {
  word.fetch_add(1, std::memory_order_seq_cst);
  wake();
}

void Gate::open(uint32_t generation) {
  word.store(generation, std::memory_order_seq_cst);
  wake();
}

// Both sides are sequentially consistent: either this thread sees the sleeper, or the kernel sees the new word.
void Gate::wake() {
  if (sleepers.load(std::memory_order_seq_cst) != 0)
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

std::chrono::nanoseconds Gate::waitPast(uint32_t seen, uint32_t spins) {
  for (uint32_t spin = 0; spin < spins; ++spin) {
    if (generation() != seen)
      return {};
    relax();
  }
  const auto begin = std::chrono::steady_clock::now();
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (generation() == seen)
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
  return std::chrono::steady_clock::now() - begin;
}

} // namespace kvasir::runtime
