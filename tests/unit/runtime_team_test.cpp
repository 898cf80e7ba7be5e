// SPDX-License-Identifier: MIT
#include "runtime/team/team.h"

#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>

using namespace kvasir::runtime;

namespace {

/// Whether a thread of this process sleeps, as the kernel says.
bool sleeps(pid_t thread) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(in, line);
  const size_t nameEnd = line.rfind(')');
  return nameEnd != std::string::npos && line.substr(nameEnd, 3) == ") S";
}

} // namespace

// Members hear of each other in rounds: one of up to 4 members, two of up to 16, three of more.
TEST_CASE("members see what others wrote before a barrier, also when they are more than processors") {
  for (const uint32_t members : {1u, 2u, 3u, 4u, 5u, 7u, 16u, 18u}) {
    Team team(members);
    REQUIRE(team.size() == members);
    std::vector<int> written(members), sums(members);
    const int rounds = members > 2 ? 50 : 500;
    for (int round = 1; round <= 5; ++round)
      team.run(
          [&](const kv_team &border, uint32_t member) {
            for (int step = 0; step < rounds; ++step) {
              written[member] = round * step;
              border.barrier(&border, member);
              int sum = 0;
              for (const int value : written)
                sum += value;
              sums[member] = sum;
              border.barrier(&border, member);
            }
          },
          nullptr);
    for (const int sum : sums)
      CHECK(sum == static_cast<int>(members) * 5 * (rounds - 1));
  }
}

TEST_CASE("cancellation is the same answer at the same barrier for every member") {
  for (const uint32_t members : {1u, 2u, 4u, 6u, 17u}) {
    Team team(members);
    for (int repeat = 0; repeat < 20; ++repeat) {
      CancelFlag cancel{false};
      std::vector<int> stoppedAt(members);
      std::thread canceller([&] { cancel = true; });
      team.run(
          [&](const kv_team &border, uint32_t member) {
            while (border.barrier(&border, member) == KV_OK)
              ++stoppedAt[member];
          },
          &cancel);
      canceller.join();
      for (const int stop : stoppedAt)
        CHECK(stop == stoppedAt[0]);
    }
  }
}

TEST_CASE("a flag that is raised at a barrier stops all members there, and only in the runs that asked for it") {
  for (const uint32_t members : {1u, 2u, 3u}) {
    Team team(members);
    const auto barriersPassed = [&](const CancelFlag *cancel) {
      std::vector<uint64_t> passed(members);
      team.run(
          [&](const kv_team &border, uint32_t member) {
            while (passed[member] < 9 && border.barrier(&border, member) == KV_OK)
              ++passed[member];
          },
          cancel);
      for (const uint64_t count : passed)
        CHECK(count == passed[0]);
      return passed[0];
    };
    for (const uint64_t barrier : {1, 4, 9, 10}) {
      CancelFlag flag{false};
      team.raiseAtBarrier(&flag, barrier);
      CHECK(barriersPassed(&flag) == barrier - 1);
      CHECK(team.numBarriers() == std::min<uint64_t>(barrier, 9));
      CHECK(flag == (barrier <= 9));
      team.raiseAtBarrier(nullptr, 0);
      flag = false;
      CHECK(barriersPassed(&flag) == 9);
    }
  }
}

TEST_CASE("the caller's thread keeps its processors and its float mode") {
  cpu_set_t before, after;
  sched_getaffinity(0, sizeof before, &before);
  Team team(0, Pinning::on);
  team.run([](const kv_team &, uint32_t) {}, nullptr);
  sched_getaffinity(0, sizeof after, &after);
  CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("who watches barriers hears of each from every member, and only in the runs that asked for it") {
  class Counter : public BarrierWatch {
  public:
    explicit Counter(uint32_t members) : numMet(members), lasts(members) {}
    void met(uint32_t member, Time arrived, Time left) override {
      ++numMet[member];
      isOrdered = isOrdered && lasts[member] <= arrived && arrived <= left;
      lasts[member] = left;
    }
    std::vector<int> numMet;
    std::vector<Time> lasts;
    std::atomic<bool> isOrdered{true};
  };
  for (const uint32_t members : {1u, 2u, 3u}) {
    Team team(members);
    Counter counter(members);
    const auto meet = [](const kv_team &border, uint32_t member) {
      for (int i = 0; i < 10; ++i)
        border.barrier(&border, member);
    };
    team.run(meet, nullptr);
    team.watchBarriers(&counter);
    team.run(meet, nullptr);
    CHECK(team.numBarriers() == 10);
    team.watchBarriers(nullptr);
    team.run(meet, nullptr);
    CHECK(counter.numMet == std::vector<int>(members, 10));
    CHECK(counter.isOrdered);
  }
}

TEST_CASE("runs of a part of the team, of any size after any other") {
  constexpr uint32_t kMost = 6;
  Team team(kMost, Pinning::off);
  std::vector<int> ran(kMost), missed(kMost);
  for (int run = 0; run < 400; ++run) {
    const uint32_t members = 1 + (run * 7 + run / 5) % kMost;
    const std::vector<int> before = ran;
    team.run(
        [&](const kv_team &border, uint32_t member) {
          missed[member] += border.members != members;
          ++ran[member];
          border.barrier(&border, member);
          for (uint32_t other = 0; other < members; ++other)
            missed[member] += ran[other] != before[other] + 1;
          border.barrier(&border, member);
        },
        nullptr, members);
    for (uint32_t other = members; other < kMost; ++other)
      CHECK(ran[other] == before[other]);
  }
  CHECK(missed == std::vector<int>(kMost));
}

TEST_CASE("a team says how long its members slept for one that was late, in the last run only") {
  Team team(3, Pinning::off);
  std::atomic<pid_t> waiting{0};
  team.run(
      [&](const kv_team &border, uint32_t member) {
        if (member == 0)
          waiting = gettid();
        while (member == 2 && (waiting == 0 || !sleeps(waiting)))
          std::this_thread::yield();
        border.barrier(&border, member);
      },
      nullptr);
  CHECK(team.stalledSeconds() > 0);
  team.run([](const kv_team &border, uint32_t member) { border.barrier(&border, member); }, nullptr, 1);
  CHECK(team.stalledSeconds() == 0);
}
