// SPDX-License-Identifier: MIT
// How long something takes, and the loops that it is compared with.
#ifndef KVASIR_BACKENDS_CPU_TESTS_MEASURE_H
#define KVASIR_BACKENDS_CPU_TESTS_MEASURE_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <immintrin.h>
#include <thread>
#include <vector>

namespace kvasir::cpu {

inline double seconds(const std::function<void()> &body) {
  auto begin = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Of the rounds of `body`, the seconds of the fastest: others on a machine only slow it down.
inline double bestSeconds(int rounds, const std::function<void()> &body) {
  double least = seconds(body);
  for (int round = 1; round < rounds; ++round)
    least = std::min(least, seconds(body));
  return least;
}

inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

/// Runs `body` on each of `threads` threads, of which the caller is the first.
inline void onThreads(uint32_t threads, const std::function<void(uint32_t)> &body) {
  std::vector<std::thread> others;
  for (uint32_t t = 1; t < threads; ++t)
    others.emplace_back(body, t);
  body(0);
  for (std::thread &thread : others)
    thread.join();
}

/// Reads `size` bytes, but for the rest of a division by 256.
[[gnu::target("avx2")]] inline void readAll(const uint8_t *bytes, size_t size) {
  __m256i sums[8] = {};
  for (size_t i = 0; i + 256 <= size; i += 256)
    for (int k = 0; k < 8; ++k)
      sums[k] = _mm256_xor_si256(sums[k], _mm256_loadu_si256(reinterpret_cast<const __m256i *>(bytes + i + 32 * k)));
  for (__m256i &sum : sums)
    asm volatile("" : "+x"(sum));
}

constexpr int64_t kSums = 12; ///< as many FMAs as are under way at once

/// `turns` x kSums x 8 products in f32, and as many sums.
[[gnu::target("avx2,fma")]] inline void multiplyAndAdd(int64_t turns) {
  __m256 sums[kSums] = {}, x = _mm256_set1_ps(0.5f);
  for (int64_t turn = 0; turn < turns; ++turn)
    for (__m256 &sum : sums) {
      sum = _mm256_fmadd_ps(x, x, sum);
      asm volatile("" : "+x"(sum));
    }
}

} // namespace kvasir::cpu

#endif
