// SPDX-License-Identifier: MIT
// A team of threads for kernels under test.
#ifndef KVASIR_BACKENDS_CPU_TESTS_TEAM_H
#define KVASIR_BACKENDS_CPU_TESTS_TEAM_H

#include "plugins/include/kvasir/plugin.h"

#include <barrier>
#include <functional>
#include <thread>
#include <vector>

namespace kvasir::cpu {

/// Runs `body` on `members` threads that share a kv_team.
inline void runTeam(uint32_t members, const std::function<void(const kv_team *, uint32_t)> &body) {
  std::barrier<> wait(members);
  kv_team team{sizeof(kv_team), members, &wait, [](const kv_team *team, uint32_t) -> kv_status {
                 static_cast<std::barrier<> *>(team->host)->arrive_and_wait();
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
