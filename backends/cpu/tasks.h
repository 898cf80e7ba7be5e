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

  /// Members' bytes are at `lines`, `stride` bytes apart. `helped`: an i1, the same for each member, whether they take
  /// one another's; else each is left with its own, and taking one costs nothing.
  Tasks(const Kernel &kernel, Value lines, int64_t stride, Value helped)
      : kernel(kernel), lines(lines), stride(stride), helped(helped) {}

  /// Says how many tasks this member has. Others see them behind the next barrier.
  void open(Value count) const;

  /// Runs body(owner) for this member, and then for the others in a ring, as far as they have tasks left.
  void forOwners(const Code::Body &body) const;

  /// Takes a task of `owner`: its number, from 0 in turn, or one that is not less than its count.
  Value take(Value owner) const;

  /// Runs body(task) on tasks of `owner` until none is left.
  void forEach(Value owner, const Code::Body &body) const;

private:
  Value takenOf(Value owner) const;
  Value countOf(Value owner) const;

  const Kernel &kernel;
  Value lines;
  int64_t stride;
  Value helped;
};

} // namespace kvasir::cpu

#endif
