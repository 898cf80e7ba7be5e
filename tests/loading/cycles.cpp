// SPDX-License-Identifier: MIT
// Does loading and unloading a model leave anything behind?
//
// usage: cycles COUNT MODEL.kvasir... [--if-there MODEL.kvasir...]
//
// Each model is loaded, run on a prompt and unloaded, COUNT times, and gives the same bits each time. Afterwards the
// process has the descriptors, threads, mappings and heap that it had after the first few. Under AddressSanitizer the
// end of the program also looks for memory that nothing points to.
#include "tests/loading/paths.h"

#include "kvasir/kvasir.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <malloc.h>
#include <string>

namespace {

/// Tokens of most cycles, and of each tenth: so many that a service does the products, where a model has one.
constexpr size_t kPrompts[] = {3, 160};
constexpr int kWarmUp = 20;            ///< allocators and the C library keep some of what they got
constexpr uint64_t kSlackBytes = 1024; ///< a leak of 2 bytes a cycle is 2000
// ThreadSanitizer's own mapping of what is mapped is cut where a large piece of scratch is given back.
constexpr uint64_t kSlackMappings = __has_feature(thread_sanitizer) ? 1 << 16 : 16;

struct Footprint {
  uint64_t descriptors, threads, mappings, heapBytes;
};

uint64_t entriesOf(const char *folder) {
  const std::filesystem::directory_iterator begin(folder);
  return static_cast<uint64_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

Footprint footprint() {
  std::ifstream maps("/proc/self/maps");
  uint64_t mappings = 0;
  for (std::string line; std::getline(maps, line);)
    ++mappings;
  return {entriesOf("/proc/self/fd"), entriesOf("/proc/self/task"), mappings, mallinfo2().uordblks};
}

std::vector<float> runOnce(const std::string &path, uint32_t threads, bool isLong) {
  const kvasir::Model model(path, {threads});
  kvasir::State state = model.makeState();
  kvasir::Logits logits = model.predict(state, std::vector<int32_t>(kPrompts[isLong], 3));
  kvasir::State branch = state.fork();
  logits = model.predict(branch, {4});
  return {logits.all().begin(), logits.all().end()};
}

int checkModel(const std::string &path, int count) {
  const std::vector<float> expected[] = {runOnce(path, 2, false), runOnce(path, 2, true)};
  Footprint before{};
  for (int cycle = 0; cycle < count + kWarmUp; ++cycle) {
    if (cycle == kWarmUp)
      before = footprint();
    const bool isLong = cycle % 10 == 0;
    if (runOnce(path, cycle % 4 == 0 ? 2 : 1, isLong) != expected[isLong]) { // teams wait for each other
      std::printf("%s: cycle %d gives other logits\n", path.c_str(), cycle);
      return 1;
    }
  }
  const Footprint after = footprint();
  const bool isClean = after.descriptors == before.descriptors && after.threads == before.threads &&
                       after.mappings <= before.mappings + kSlackMappings &&
                       after.heapBytes <= before.heapBytes + kSlackBytes;
  std::printf("%s: %d cycles: descriptors %llu to %llu, threads %llu to %llu, mappings %llu to %llu, heap %llu to %llu "
              "bytes\n",
              path.c_str(), count, (unsigned long long)before.descriptors, (unsigned long long)after.descriptors,
              (unsigned long long)before.threads, (unsigned long long)after.threads,
              (unsigned long long)before.mappings, (unsigned long long)after.mappings,
              (unsigned long long)before.heapBytes, (unsigned long long)after.heapBytes);
  return isClean ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: cycles COUNT MODEL.kvasir... [--if-there MODEL.kvasir...]\n");
    return 2;
  }
  int failed = 0;
  for (const std::string &path : pathsOf(2, argc, argv))
    failed += checkModel(path, std::atoi(argv[1]));
  return failed ? 1 : 0;
} catch (const kvasir::Error &error) {
  std::fprintf(stderr, "cycles: %s\n", error.what());
  return 1;
}
