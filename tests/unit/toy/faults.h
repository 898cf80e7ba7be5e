// SPDX-License-Identifier: MIT
// Faults on demand: memory that can't be had, a plugin that fails or is cancelled at a chosen place. Who links this
// gets its operator new and mmap from here.
#ifndef KVASIR_TESTS_UNIT_FAULTS_H
#define KVASIR_TESTS_UNIT_FAULTS_H

#include "runtime/team/barrier.h"

#include "kvasir/plugin.h"

#include <atomic>

namespace kvasir::runtime {

enum class FailureKind { once, fromThenOn };

/// Lets the `number`-th (from 1 on) allocation of this thread fail from now on, and, if asked for, all after it. Counts
/// operator new, which throws, and mmap.
void failAllocations(uint64_t number, FailureKind kind);

/// Ends it. How many allocations there were.
uint64_t allowAllocations();

/// A plugin that does what another does, but for one place.
struct FaultyPlugin {
  explicit FaultyPlugin(const kv_plugin *inner);

  const kv_plugin table; ///< first, so that calls find the rest
  const kv_plugin *const inner;

  // Which one fails, from 1 on; 0: none.
  uint64_t failingPrepare = 0, failingExecute = 0;
  uint64_t cancelledBarrier = 0; ///< `cancel` is raised before member 0 arrives at it
  CancelFlag cancel{false};

  uint64_t numPrepares = 0, numExecutes = 0, numBarriers = 0; ///< so far, as member 0 counts
};

} // namespace kvasir::runtime

#endif
