// SPDX-License-Identifier: MIT
// Tasks of a kernel that members take one by one: each its own, and then what others have left. So a member that is
// slower than the others, or whose processor another program takes for a while, is waited for as long as a task takes.
#ifndef KVASIR_BACKENDS_CPU_TASKS_H
#define KVASIR_BACKENDS_CPU_TASKS_H

#include "backends/cpu/linears.h"

namespace kvasir::cpu {

class Tasks {
public:
  /// Bytes of each member's own scratch, 64-byte aligned.
  static constexpr int64_t kBytes = 64;

  /// Whether members shall help one another with so many rows of a kernel, an i1; a large team from `least` rows on.
  static Value areHelped(const Kernel &kernel, Value rows, int64_t least);

  /// Members' bytes are at `lines`, `stride` bytes apart. `helped`: an i1, the same for each member, whether they take
  /// one another's; else each is left with its own, and taking one costs nothing.
  Tasks(const Kernel &kernel, Value lines, int64_t stride, Value helped)
      : kernel(kernel), lines(lines), stride(stride), helped(helped) {}

  /// Says how many tasks this member has. Others see them behind the next barrier.
  void open(Value count) const;

  /// Runs body(owner) for this member, and then for the others in a ring, as far as they have tasks left.
  void forOwners(const Code::Body &body) const;

  /// What a loop over all of `owner`'s tasks carries, in their order: at first, and past one of them, whose `body` runs
  /// if it is this member's to do.
  Values begin(Value owner) const;
  Values next(Value owner, ValueRange carried, const std::function<void()> &body) const;

private:
  /// A task of `owner` that is still to be done: its number. `alone`: that number, if nobody helps.
  Value take(Value owner, Value alone) const;
  Value takenOf(Value owner) const;
  Value countOf(Value owner) const;

  const Kernel &kernel;
  Value lines;
  int64_t stride;
  Value helped;
};

} // namespace kvasir::cpu

#endif
