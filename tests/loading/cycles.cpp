// SPDX-License-Identifier: MIT
// Does loading and unloading a model leave anything behind?
//
// usage: cycles COUNT MODEL.kvasir... [--if-there MODEL.kvasir...]
//        cycles COUNT --leak MODEL.kvasir...      each cycle leaves a mapping behind, which has to be noticed
//
// Each model is loaded, run on a prompt and unloaded, COUNT times, and gives the same bits each time. Afterwards the
// process has the descriptors, threads, mappings and heap that it had after the first few. Under AddressSanitizer the
// end of the program also looks for memory that nothing points to.
#include "tests/loading/paths.h"
#include "tests/loading/process.h"

#include "kvasir/kvasir.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace {

/// Tokens of most cycles, and of each tenth: so many that a service does the products, where a model has one.
constexpr size_t kPrompts[] = {3, 160};
constexpr int kWarmUp = 20;            ///< allocators and the C library keep some of what they got
constexpr uint64_t kSlackBytes = 1024; ///< a leak of 2 bytes a cycle is 2000
constexpr uint64_t kSlackMappings = 16;

struct Footprint {
  uint64_t descriptors, threads, mappings, heapBytes;
};

Footprint footprint() { return {numDescriptors(), numThreads(), numMappings(), mallinfo2().uordblks}; }

/// Maps a file's first page as somebody does who loads it.
void leakMapping(const std::string &path) {
  const int file = open(path.c_str(), O_RDONLY);
  mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
}

std::vector<float> runOnce(const std::string &path, uint32_t threads, bool isLong) {
  const kvasir::Model model(path, {threads});
  kvasir::State state = model.makeState();
  kvasir::Logits logits = model.predict(state, std::vector<int32_t>(kPrompts[isLong], 3));
  kvasir::State branch = state.fork();
  logits = model.predict(branch, {4});
  return {logits.all().begin(), logits.all().end()};
}

std::string leftBehind(const Footprint &before, const Footprint &after) {
  std::string left;
  left += after.descriptors == before.descriptors ? "" : " descriptors";
  left += after.threads == before.threads ? "" : " threads";
  left += after.mappings <= before.mappings + kSlackMappings ? "" : " mappings";
  left += after.heapBytes <= before.heapBytes + kSlackBytes ? "" : " heap";
  return left.empty() ? "" : "; left behind:" + left;
}

int checkModel(const std::string &path, int count, bool leaks) {
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
    if (leaks)
      leakMapping(path);
  }
  const Footprint after = footprint();
  const std::string left = leftBehind(before, after);
  std::printf("%s: %d cycles: descriptors %llu to %llu, threads %llu to %llu, mappings %llu to %llu, heap %llu to %llu "
              "bytes%s\n",
              path.c_str(), count, (unsigned long long)before.descriptors, (unsigned long long)after.descriptors,
              (unsigned long long)before.threads, (unsigned long long)after.threads,
              (unsigned long long)before.mappings, (unsigned long long)after.mappings,
              (unsigned long long)before.heapBytes, (unsigned long long)after.heapBytes, left.c_str());
  return left.empty() ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: cycles COUNT [--leak] MODEL.kvasir... [--if-there MODEL.kvasir...]\n");
    return 2;
  }
  const bool leaks = std::strcmp(argv[2], "--leak") == 0;
  int failed = 0;
  for (const std::string &path : pathsOf(leaks ? 3 : 2, argc, argv))
    failed += checkModel(path, std::atoi(argv[1]), leaks);
  return failed ? 1 : 0;
} catch (const kvasir::Error &error) {
  std::fprintf(stderr, "cycles: %s\n", error.what());
  return 1;
}
