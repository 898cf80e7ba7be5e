// SPDX-License-Identifier: MIT
// Random numbers of the kit, the same on every machine, and their roundings.
#ifndef KVASIR_CONFORMANCE_NUMBERS_H
#define KVASIR_CONFORMANCE_NUMBERS_H

#include <cstdint>
#include <random>
#include <vector>

namespace conformance {

/// The nearest number of bf16, ties to even.
float toBf16(float value);

/// In [-1.5, 1.5), evenly spread.
std::vector<float> drawReals(std::mt19937_64 &random, uint64_t count);

/// The same, but numbers that bf16 has: a cache stores them without an error.
std::vector<float> drawBf16(std::mt19937_64 &random, uint64_t count);

} // namespace conformance

#endif
