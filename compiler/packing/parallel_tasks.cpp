// SPDX-License-Identifier: MIT
#include "compiler/packing/parallel_tasks.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace kvasir {

Status runTasks(uint64_t count, const std::function<Status(uint64_t index)> &task) {
  std::atomic<uint64_t> next = 0;
  std::mutex mutex;
  std::optional<Failure> failure;
  auto work = [&] {
    for (uint64_t index; (index = next.fetch_add(1)) < count;) {
      Status status = task(index);
      if (status)
        continue;
      std::lock_guard lock(mutex);
      if (!failure)
        failure = Failure{status.message()};
      next = count;
    }
  };
  uint64_t helpers = std::min<uint64_t>(count, std::max(1u, std::thread::hardware_concurrency())) - (count > 0);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < helpers; ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (failure)
    return *failure;
  return Done{};
}

} // namespace kvasir
