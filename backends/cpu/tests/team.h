// SPDX-License-Identifier: MIT
// A team of threads for kernels under test.
#ifndef KVASIR_BACKENDS_CPU_TESTS_TEAM_H
#define KVASIR_BACKENDS_CPU_TESTS_TEAM_H

#include "plugins/include/kvasir/plugin.h"

#include <barrier>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

namespace kvasir::cpu {

/// Runs `body` on `members` threads that share a kv_team. If there is an `eager` one, the others are late behind each
/// barrier, so that it does what they leave to be done.
inline void runTeam(uint32_t members, const std::function<void(const kv_team *, uint32_t)> &body, int64_t eager = -1) {
  struct Host {
    std::barrier<> wait;
    int64_t eager;
  } host{std::barrier<>(members), eager};
  kv_team team{sizeof(kv_team), members, &host, [](const kv_team *team, uint32_t member) -> kv_status {
                 auto *host = static_cast<Host *>(team->host);
                 host->wait.arrive_and_wait();
                 if (host->eager >= 0 && member != host->eager)
                   std::this_thread::sleep_for(std::chrono::milliseconds(2));
                 return KV_OK;
               }};
  std::vector<std::thread> threads;
  for (uint32_t member = 1; member < members; ++member)
    threads.emplace_back([&, member] { body(&team, member); });
  body(&team, 0);
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace kvasir::cpu

#endif
