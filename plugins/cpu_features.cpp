// SPDX-License-Identifier: MIT
#include "plugins/cpu_features.h"

#include <algorithm>
#include <cpuid.h>
#include <iterator>

namespace kvasir {
namespace {

enum Register { eax, ebx, ecx, edx };

/// State that the operating system must save for a feature to be usable: bits of XCR0.
constexpr uint64_t kNone = 0, kYmm = 0x6, kZmm = 0xe6, kTiles = 0x600e6;

struct CpuFeature {
  const char *name;
  uint32_t leaf, subleaf;
  Register reg;
  unsigned bit;
  uint64_t savedState;
};

// Source: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. The index is the bit in files: append only.
constexpr CpuFeature kFeatures[] = {
    {"avx2", 7, 0, ebx, 5, kYmm},
    {"fma", 1, 0, ecx, 12, kYmm},
    {"f16c", 1, 0, ecx, 29, kYmm},
    {"avx512f", 7, 0, ebx, 16, kZmm},
    {"avx512bw", 7, 0, ebx, 30, kZmm},
    {"avx512vl", 7, 0, ebx, 31, kZmm},
    {"avx512vnni", 7, 0, ecx, 11, kZmm},
    {"avx512bf16", 7, 1, eax, 5, kZmm},
    {"avxvnni", 7, 1, eax, 4, kYmm},
    {"avx512fp16", 7, 0, edx, 23, kZmm},
    {"amx-tile", 7, 0, edx, 24, kTiles},
    {"amx-int8", 7, 0, edx, 25, kTiles},
    {"amx-bf16", 7, 0, edx, 22, kTiles},
    {"sse3", 1, 0, ecx, 0, kNone},
    {"ssse3", 1, 0, ecx, 9, kNone},
    {"sse4.1", 1, 0, ecx, 19, kNone},
    {"sse4.2", 1, 0, ecx, 20, kNone},
    {"popcnt", 1, 0, ecx, 23, kNone},
    {"avx", 1, 0, ecx, 28, kYmm},
    {"bmi", 7, 0, ebx, 3, kNone},
    {"bmi2", 7, 0, ebx, 8, kNone},
    {"lzcnt", 0x80000001, 0, ecx, 5, kNone},
    {"movbe", 1, 0, ecx, 22, kNone},
    {"cx16", 1, 0, ecx, 13, kNone},
    {"sahf", 0x80000001, 0, ecx, 0, kNone},
    {"avx512cd", 7, 0, ebx, 28, kZmm},
    {"avx512dq", 7, 0, ebx, 17, kZmm},
    {"avx512vbmi", 7, 0, ecx, 1, kZmm},
    {"avx512vbmi2", 7, 0, ecx, 6, kZmm},
    {"avx512ifma", 7, 0, ebx, 21, kZmm},
    {"avx512bitalg", 7, 0, ecx, 12, kZmm},
    {"avx512vpopcntdq", 7, 0, ecx, 14, kZmm},
    {"gfni", 7, 0, ecx, 8, kNone},
    {"vaes", 7, 0, ecx, 9, kYmm},
    {"vpclmulqdq", 7, 0, ecx, 10, kYmm},
    {"avxvnniint8", 7, 1, edx, 4, kYmm},
    {"avxifma", 7, 1, eax, 23, kYmm},
    {"avxneconvert", 7, 1, edx, 5, kYmm},
    {"aes", 1, 0, ecx, 25, kNone},
    {"pclmul", 1, 0, ecx, 1, kNone},
    {"sha", 7, 0, ebx, 29, kNone},
    {"adx", 7, 0, ebx, 19, kNone},
    {"crc32", 1, 0, ecx, 20, kNone},
    {"xsave", 1, 0, ecx, 27, kNone},
    {"prfchw", 0x80000001, 0, ecx, 8, kNone},
};
static_assert(std::size(kFeatures) <= 128);

constexpr const char *kBaseline[] = {"64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "x87"};

struct Leaf {
  uint32_t leaf, subleaf;
  uint32_t registers[4];
};

void readLeaf(Leaf &leaf) {
  uint32_t(&out)[4] = leaf.registers;
  if (!__get_cpuid_count(leaf.leaf, leaf.subleaf, &out[eax], &out[ebx], &out[ecx], &out[edx]))
    std::fill(std::begin(out), std::end(out), 0);
}

uint64_t readXcr0() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

CpuFeatures askCpu() {
  Leaf leaves[] = {{1, 0, {}}, {7, 0, {}}, {7, 1, {}}, {0x80000001, 0, {}}};
  for (Leaf &leaf : leaves)
    readLeaf(leaf);
  const uint64_t state = leaves[0].registers[ecx] & bit_OSXSAVE ? readXcr0() : 0;
  CpuFeatures features = {};
  for (size_t i = 0; i < std::size(kFeatures); ++i)
    for (const Leaf &leaf : leaves)
      if (leaf.leaf == kFeatures[i].leaf && leaf.subleaf == kFeatures[i].subleaf &&
          (leaf.registers[kFeatures[i].reg] >> kFeatures[i].bit & 1) &&
          (state & kFeatures[i].savedState) == kFeatures[i].savedState)
        features[i / 64] |= uint64_t(1) << i % 64;
  return features;
}

} // namespace

CpuFeatures hostCpuFeatures() {
  static const CpuFeatures features = askCpu(); // a virtual machine traps CPUID: tens of microseconds each
  return features;
}

std::optional<CpuFeatures> cpuFeatureFromName(std::string_view name) {
  CpuFeatures features = {};
  if (std::find(std::begin(kBaseline), std::end(kBaseline), name) != std::end(kBaseline))
    return features;
  for (size_t i = 0; i < std::size(kFeatures); ++i)
    if (kFeatures[i].name == name) {
      features[i / 64] = uint64_t(1) << i % 64;
      return features;
    }
  return std::nullopt;
}

std::string cpuFeatureNames(const CpuFeatures &features) {
  std::string names;
  for (size_t i = 0; i < 128; ++i)
    if (features[i / 64] >> i % 64 & 1)
      names += (names.empty() ? "" : " ") +
               (i < std::size(kFeatures) ? std::string(kFeatures[i].name) : "feature #" + std::to_string(i));
  return names;
}

CpuFeatures missingCpuFeatures(const CpuFeatures &wanted, const CpuFeatures &present) {
  return {wanted[0] & ~present[0], wanted[1] & ~present[1]};
}

} // namespace kvasir
