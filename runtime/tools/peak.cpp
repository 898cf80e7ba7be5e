// SPDX-License-Identifier: MIT
// Loops in registers, one for each instruction that generated code may use; chosen by what the processor has.
#include "runtime/tools/limits.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvasir::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// Runs `rounds` rounds of the loop on one thread; returns multiplies and adds done.
using Loop = double (*)(uint64_t rounds);

#if defined(__x86_64__)

// Sums are kept from the optimiser one by one: 12 of them hide 4 cycles of latency on 2 ports with room to spare, and
// leave registers for the operands.
constexpr int kSums = 12;

__attribute__((target("avx2,fma"))) double loopAvx2F32(uint64_t rounds) {
  __m256 sums[kSums] = {};
  __m256 x = _mm256_set1_ps(0.5f);
  for (uint64_t round = 0; round < rounds; ++round)
    for (__m256 &sum : sums) {
      sum = _mm256_fmadd_ps(x, x, sum);
      asm volatile("" : "+x"(sum));
    }
  return static_cast<double>(rounds) * kSums * 8 * 2;
}

__attribute__((target("avx2"))) double loopAvx2Int8(uint64_t rounds) {
  __m256i sums[kSums] = {};
  __m256i x = _mm256_set1_epi8(3);
  const __m256i ones = _mm256_set1_epi16(1);
  for (uint64_t round = 0; round < rounds; ++round)
    for (__m256i &sum : sums) {
      asm volatile("" : "+x"(x)); // else its products are computed once
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, x), ones));
      asm volatile("" : "+x"(sum));
    }
  return static_cast<double>(rounds) * kSums * 32 * 2;
}

__attribute__((target("avx2,avxvnni"))) double loopAvx2VnniInt8(uint64_t rounds) {
  __m256i sums[kSums] = {};
  const __m256i x = _mm256_set1_epi8(3);
  for (uint64_t round = 0; round < rounds; ++round)
    for (__m256i &sum : sums) {
      sum = _mm256_dpbusd_avx_epi32(sum, x, x);
      asm volatile("" : "+x"(sum));
    }
  return static_cast<double>(rounds) * kSums * 32 * 2;
}

__attribute__((target("avx512f"))) double loopAvx512F32(uint64_t rounds) {
  __m512 sums[kSums] = {};
  __m512 x = _mm512_set1_ps(0.5f);
  for (uint64_t round = 0; round < rounds; ++round)
    for (__m512 &sum : sums) {
      sum = _mm512_fmadd_ps(x, x, sum);
      asm volatile("" : "+v"(sum));
    }
  return static_cast<double>(rounds) * kSums * 16 * 2;
}

__attribute__((target("avx512f,avx512vnni"))) double loopAvx512Int8(uint64_t rounds) {
  __m512i sums[kSums] = {};
  const __m512i x = _mm512_set1_epi8(3);
  for (uint64_t round = 0; round < rounds; ++round)
    for (__m512i &sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, x, x);
      asm volatile("" : "+v"(sum));
    }
  return static_cast<double>(rounds) * kSums * 64 * 2;
}

__attribute__((target("avx512f,avx512bf16"))) double loopAvx512Bf16(uint64_t rounds) {
  __m512 sums[kSums] = {};
  const __m512bh x = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.5f));
  for (uint64_t round = 0; round < rounds; ++round)
    for (__m512 &sum : sums) {
      sum = _mm512_dpbf16_ps(sum, x, x);
      asm volatile("" : "+v"(sum));
    }
  return static_cast<double>(rounds) * kSums * 32 * 2;
}

#endif

double loopScalar(uint64_t rounds) {
  float sums[8] = {};
  for (uint64_t round = 0; round < rounds; ++round)
    for (float &sum : sums) {
      sum = sum * 0.5f + 0.5f;
      asm volatile("" : "+m"(sum));
    }
  return static_cast<double>(rounds) * 8 * 2;
}

struct Choice {
  const char *instructions;
  Loop loop;
};

/// Best first; where it is not known which is, both.
std::vector<Choice> chooseLoops(Arithmetic arithmetic) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has512 = __builtin_cpu_supports("avx512f");
  if (arithmetic == Arithmetic::int8 && has512 && __builtin_cpu_supports("avx512vnni"))
    return {{"avx512-vnni int8", loopAvx512Int8}};
  if (arithmetic == Arithmetic::bf16 && has512 && __builtin_cpu_supports("avx512bf16"))
    return {{"avx512-bf16", loopAvx512Bf16}, {"avx512 f32", loopAvx512F32}};
  if (arithmetic == Arithmetic::int8 && __builtin_cpu_supports("avxvnni"))
    return {{"avx2-vnni int8", loopAvx2VnniInt8}};
  if (arithmetic == Arithmetic::int8 && __builtin_cpu_supports("avx2"))
    return {{"avx2 int8", loopAvx2Int8}};
  if (has512)
    return {{"avx512 f32", loopAvx512F32}};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {{"avx2 f32", loopAvx2F32}};
#endif
  return {{"scalar f32", loopScalar}};
}

Peak peakOf(runtime::Team &team, const Choice &choice) {
  double best = 0;
  for (uint64_t rounds = 1 << 16, run = 0; run < 6; ++run) {
    std::vector<double> ops(team.size());
    const auto begin = Clock::now();
    team.run([&](const kv_team &, uint32_t member) { ops[member] = choice.loop(rounds); }, nullptr);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    double sum = 0;
    for (const double part : ops)
      sum += part;
    best = std::max(best, sum / seconds);
    // About 8 ms a run, whatever the machine.
    rounds = static_cast<uint64_t>(std::clamp(static_cast<double>(rounds) * 0.008 / seconds, 1e3, 1e9));
  }
  return {choice.instructions, best};
}

} // namespace

Peak peakArithmetic(runtime::Team &team, Arithmetic arithmetic) {
  Peak best;
  for (const Choice &choice : chooseLoops(arithmetic))
    if (Peak peak = peakOf(team, choice); peak.opsPerSecond > best.opsPerSecond)
      best = std::move(peak);
  return best;
}

} // namespace kvasir::tools
