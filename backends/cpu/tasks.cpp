// SPDX-License-Identifier: MIT
#include "backends/cpu/tasks.h"

using namespace mlir;

namespace kvasir::cpu {

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

Value Tasks::take(Value owner) const {
  Code &code = kernel.code;
  Value taken = takenOf(owner);
  auto takeAlone = [&] {
    Value number = code.load(code.i64, taken, 8);
    code.store(code.add(number, 1), taken, 8);
    return Values{number};
  };
  return code.choose(helped, [&] { return Values{code.atomicAdd(taken, 1)}; }, takeAlone, code.i64)[0];
}

void Tasks::forEach(Value owner, const Code::Body &body) const {
  kernel.code.whileLess([&] { return take(owner); }, countOf(owner), body);
}

} // namespace kvasir::cpu
