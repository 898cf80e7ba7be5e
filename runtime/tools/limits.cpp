// SPDX-License-Identifier: MIT
#include "runtime/tools/limits.h"

#include "plugins/file_io.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kPageBytes = 65536; // a multiple of every page size that Linux has on the machines we know

template <typename Body> double secondsOf(Body body) {
  const auto begin = Clock::now();
  body();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Reads every byte; eight sums, so that loads do not wait for each other.
uint64_t readPart(const uint8_t *bytes, size_t sizeBytes) {
  using Words = uint64_t __attribute__((vector_size(32), aligned(8)));
  Words sums[8] = {};
  for (size_t at = 0; at + sizeof sums <= sizeBytes; at += sizeof sums) {
    // The hardware prefetcher stops at page borders.
    __builtin_prefetch(bytes + at + 4096, 0, 0);
    for (size_t i = 0; i < 8; ++i)
      sums[i] ^= *reinterpret_cast<const Words *>(bytes + at + i * sizeof(Words));
  }
  for (size_t i = 1; i < 8; ++i)
    sums[0] ^= sums[i];
  return sums[0][0] ^ sums[0][1] ^ sums[0][2] ^ sums[0][3];
}

volatile uint64_t readSink; // so that the reads are not dropped

} // namespace

double medianOf(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

double readSeconds(runtime::Team &team, std::span<const uint8_t> bytes, unsigned passes) {
  const size_t partBytes = bytes.size() / team.size() / 64 * 64;
  std::vector<double> times;
  for (unsigned pass = 0; pass < passes; ++pass)
    times.push_back(secondsOf([&] {
      team.run(
          [&](const kv_team &, uint32_t member) {
            const size_t begin = member * partBytes;
            const size_t end = member + 1 == team.size() ? bytes.size() : begin + partBytes;
            const uint64_t sum = readPart(bytes.data() + begin, end - begin);
            if (sum == 0x5eed)
              readSink = sum;
          },
          nullptr);
    }));
  return medianOf(times);
}

/// MAP_FAILED if that can't be done.
static void *mapPart(int file, uint64_t begin, uint64_t sizeBytes, Weights where) {
  if (where == Weights::mapped)
    return mmap(nullptr, sizeBytes, PROT_READ, MAP_SHARED | MAP_POPULATE, file, begin);
  void *copy = mapForCopy(sizeBytes);
  if (copy == MAP_FAILED || readFully(file, begin, {static_cast<uint8_t *>(copy), sizeBytes}))
    return copy;
  munmap(copy, sizeBytes);
  return MAP_FAILED;
}

MappedFile::MappedFile(const std::string &path, uint64_t offset, uint64_t sizeBytes, Weights where) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts;
  if (file >= 0 && fstat(file, &facts) == 0 && offset < static_cast<uint64_t>(facts.st_size)) {
    const uint64_t begin = offset / kPageBytes * kPageBytes;
    const uint64_t end = std::min<uint64_t>(facts.st_size, offset + sizeBytes);
    void *mapped = mapPart(file, begin, end - begin, where);
    if (mapped != MAP_FAILED) {
      mapping = mapped;
      mappingBytes = end - begin;
      content = {static_cast<const uint8_t *>(mapped) + (offset - begin), end - offset};
    }
  }
  if (file >= 0)
    close(file);
}

MappedFile::~MappedFile() {
  if (mapping)
    munmap(mapping, mappingBytes);
}

double fileReadGBs(const std::string &path, uint32_t threads) {
  constexpr uint64_t kMostBytes = 128 << 20;
  struct stat facts;
  if (stat(path.c_str(), &facts) != 0)
    return 0;
  const uint64_t sizeBytes = facts.st_size;
  const MappedFile file(path, sizeBytes > kMostBytes ? sizeBytes - kMostBytes : 0, kMostBytes);
  if (file.bytes().empty())
    return 0;
  runtime::Team team(threads);
  return static_cast<double>(file.bytes().size()) / readSeconds(team, file.bytes(), 7) / 1e9;
}

double barrierNanoseconds(runtime::Team &team) {
  constexpr unsigned kBarriers = 2000;
  std::vector<double> times;
  for (unsigned run = 0; run < 7; ++run)
    times.push_back(secondsOf([&] {
                      team.run(
                          [&](const kv_team &members, uint32_t member) {
                            for (unsigned i = 0; i < kBarriers; ++i)
                              members.barrier(&members, member);
                          },
                          nullptr);
                    }) /
                    kBarriers * 1e9);
  return medianOf(times);
}

} // namespace kvasir::tools
