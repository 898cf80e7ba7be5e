// SPDX-License-Identifier: MIT
// Tasks among a team: each is done once, by whoever has time.
#include "backends/cpu/tasks.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/team.h"

#include <doctest/doctest.h>

using namespace kvasir::cpu;
using mlir::ValueRange;

namespace {
constexpr int64_t kStride = 128, kMost = 1000;

/// `did` [members][kMost]: how often each owner's tasks were done; `own`: how many of them by the owner; `counts`: how
/// many each has.
using WorkFn = void(int64_t member, int64_t members, uint8_t *lines, int64_t count, int64_t *did, int64_t *own,
                    const int64_t *counts);

/// open says how many tasks the member has; helped and alone do tasks, its own and others', or its own.
void addTasks(KernelModule &module, const Isa &isa) {
  auto addStep = [&](llvm::StringRef name, bool isHelped, bool opens) {
    module.add(name, {'i', 'i', 'p', 'i', 'p', 'p', 'p'}, [&, isHelped, opens](Code &code, ValueRange args) {
      Kernel kernel{code, module.module(), isa, {}, args[0], args[1], args[2], {}};
      Tasks tasks(kernel, args[2], kStride, code.equal(code.num(isHelped), 1));
      if (opens)
        return tasks.open(args[3]);
      auto countOf = [&](mlir::Value owner) { return code.load(code.i64, code.at(args[6], code.mul(owner, 8)), 8); };
      auto count = [&](mlir::Value at) { code.store(code.add(code.load(code.i64, at, 8), 1), at, 8); };
      tasks.forOwners([&](mlir::Value owner) {
        code.loop(code.num(0), countOf(owner), 1, tasks.begin(owner), [&](mlir::Value task, ValueRange carried) {
          return tasks.next(owner, carried, [&] {
            count(code.at(args[4], code.mul(code.add(code.mul(owner, kMost), task), 8)));
            code.when(code.equal(code.sub(owner, args[0]), 0), [&] { count(code.at(args[5], code.mul(owner, 8))); });
          });
        });
      });
    });
  };
  addStep("open", true, true), addStep("helped", true, false), addStep("alone", false, false);
}

struct Work {
  KernelModule module;
  alignas(64) uint8_t lines[8 * kStride];
  std::vector<int64_t> counts, did, own;

  explicit Work(std::vector<int64_t> counts)
      : counts(std::move(counts)), did(this->counts.size() * kMost), own(this->counts.size()) {
    addTasks(module, testedIsas().front());
    module.compile(testedIsas().front());
    for (size_t member = 0; member < this->counts.size(); ++member)
      run("open", int64_t(member));
  }

  void run(const char *step, int64_t member) {
    auto *function = reinterpret_cast<WorkFn *>(module.lookup(step));
    function(member, int64_t(counts.size()), lines, counts[member], did.data(), own.data(), counts.data());
  }

  void checkDone(int64_t owner, int64_t times) {
    for (int64_t task = 0; task < kMost; ++task)
      CHECK(did[owner * kMost + task] == (task < counts[owner] ? times : 0));
  }
};
} // namespace

TEST_CASE("a member that is early does all others' tasks, and those that come later none") {
  Work work({5, 0, 70, 1});
  work.run("helped", 1);
  for (int64_t owner = 0; owner < 4; ++owner) {
    work.run("helped", owner);
    work.checkDone(owner, 1);
    CHECK(work.own[owner] == 0);
  }
}

TEST_CASE("without help each member does its own tasks") {
  Work work({3, 40});
  work.run("alone", 1);
  work.checkDone(0, 0);
  work.checkDone(1, 1);
  work.run("alone", 0);
  work.checkDone(0, 1);
  CHECK(work.own == work.counts);
}

TEST_CASE("members that run at the same time do each task once") {
  Work work({kMost, 10, kMost / 2});
  runTeam(3, [&](const kv_team *, uint32_t member) { work.run("helped", member); });
  for (int64_t owner = 0; owner < 3; ++owner)
    work.checkDone(owner, 1);
}
