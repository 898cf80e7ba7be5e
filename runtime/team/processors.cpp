// SPDX-License-Identifier: MIT
#include "runtime/team/processors.h"

#include <fstream>
#include <sched.h>
#include <set>
#include <string>
#include <utility>

namespace kvasir::runtime {
namespace {

/// A number from the kernel's description of a processor, or `fallback` where there is none.
int topologyNumber(int processor, const char *file, int fallback) {
  std::ifstream in("/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/" + file);
  int number = fallback;
  return in >> number ? number : fallback;
}

} // namespace

Processors usableProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) == 0)
    return {{0}, 1};
  std::set<std::pair<int, int>> cores;
  std::vector<int> first, siblings;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &set))
      continue;
    const std::pair core{topologyNumber(processor, "physical_package_id", 0),
                         topologyNumber(processor, "core_id", processor)};
    (cores.insert(core).second ? first : siblings).push_back(processor);
  }
  const unsigned numCores = first.size();
  first.insert(first.end(), siblings.begin(), siblings.end());
  return {std::move(first), numCores};
}

} // namespace kvasir::runtime
