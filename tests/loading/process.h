// SPDX-License-Identifier: MIT
// What the process has, by what the system says of it.
#ifndef KVASIR_TESTS_LOADING_PROCESS_H
#define KVASIR_TESTS_LOADING_PROCESS_H

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

inline uint64_t entriesOf(const char *folder) {
  const std::filesystem::directory_iterator begin(folder);
  return static_cast<uint64_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

inline uint64_t numDescriptors() { return entriesOf("/proc/self/fd"); }
inline uint64_t numThreads() { return entriesOf("/proc/self/task"); }

/// Is it what ThreadSanitizer notes about memory, and not memory of the program? Its notes on memory that is given back
/// are cut out of their mapping, so that they become more and more pieces.
/// Source: compiler-rt/lib/tsan/rtl/tsan_platform.h, of x86-64: shadow, then what it knows of blocks and mutexes.
inline bool isNoteOfSanitizer(uint64_t address) {
  return __has_feature(thread_sanitizer) && address >= 0x100000000000 && address < 0x380000000000;
}

inline uint64_t numMappings() {
  std::ifstream maps("/proc/self/maps");
  uint64_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += !isNoteOfSanitizer(std::stoull(line, nullptr, 16));
  return count;
}

#endif
