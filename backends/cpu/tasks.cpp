// SPDX-License-Identifier: MIT
#include "backends/cpu/tasks.h"

using namespace mlir;

namespace kvasir::cpu {

/// From so many rows on members help one another. Of fewer memory is the limit, which gives one of two members what the
/// other leaves while it waits; and who takes a unit that others may take waits until all that it has stored is in its
/// cache. Many members do not wait all at once: these help one another wherever they meet after rounding.
constexpr int64_t kHelpedRows = 16, kManyMembers = 4;

Value Tasks::areHelped(const Kernel &kernel, Value rows, int64_t least) {
  Code &code = kernel.code;
  Value isSmall = code.less(kernel.members, code.num(kManyMembers));
  Value before = code.select(isSmall, code.num(kHelpedRows - 1), code.num(least - 1));
  return code.andI(code.less(code.num(1), kernel.members), code.less(before, rows));
}

/// A member's line: how many tasks were taken, which members change at the same time, and how many there are.
Value Tasks::takenOf(Value owner) const { return kernel.code.at(lines, kernel.code.mul(owner, stride)); }

Value Tasks::countOf(Value owner) const {
  Code &code = kernel.code;
  return code.load(code.i64, code.at(takenOf(owner), 8), 8);
}

void Tasks::open(Value count) const {
  Code &code = kernel.code;
  Value taken = takenOf(kernel.member);
  code.store(code.num(0), taken, 8);
  code.store(count, code.at(taken, 8), 8);
}

void Tasks::forOwners(const Code::Body &body) const {
  Code &code = kernel.code;
  Value owners = code.select(helped, kernel.members, code.num(1));
  code.loop(code.num(0), owners, 1, [&](Value behind) {
    Value owner = code.add(kernel.member, behind);
    owner = code.select(code.less(owner, kernel.members), owner, code.sub(owner, kernel.members));
    // Taking writes the line, which others still take from.
    Value taken = code.atomicLoad(takenOf(owner));
    code.when(code.less(taken, countOf(owner)), [&] { body(owner); });
  });
}

// What nobody else takes is counted in a register: the machine runs ahead to the next task's loads.
Value Tasks::take(Value owner, Value alone) const {
  Code &code = kernel.code;
  return code.choose(
      helped, [&] { return Values{code.atomicAdd(takenOf(owner), 1)}; }, [&] { return Values{alone}; }, code.i64)[0];
}

Values Tasks::begin(Value owner) const {
  Value first = kernel.code.num(0);
  return {first, take(owner, first)};
}

Values Tasks::next(Value owner, ValueRange carried, const std::function<void()> &body) const {
  Code &code = kernel.code;
  Value number = carried[0], taken = carried[1], following = code.add(number, 1);
  auto run = [&] {
    body();
    return Values{take(owner, following)};
  };
  Value next = code.choose(code.equal(code.sub(number, taken), 0), run, [&] { return Values{taken}; }, code.i64)[0];
  return {following, next};
}

} // namespace kvasir::cpu
