// SPDX-License-Identifier: MIT
// What changes packages between the runs of a fuzzer; included by its one file.
#ifndef KVASIR_TESTS_FUZZ_PACKAGE_MUTATOR_H
#define KVASIR_TESTS_FUZZ_PACKAGE_MUTATOR_H

#include "tests/fuzz/package_input.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t maxSize);

/// A few changes of the package; libFuzzer's own one time in eight.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t maxSize, unsigned seed) {
  using namespace kvasir::test;
  std::mt19937 random(seed);
  if (random() % 8 == 0)
    return LLVMFuzzerMutate(bytes, size, maxSize);
  PackageInput package = PackageInput::parse({bytes, size});
  for (uint32_t changes = 1 + random() % 3; changes > 0; --changes)
    mutate(package, random);
  const std::vector<uint8_t> changed = package.serialise();
  const size_t kept = std::min(changed.size(), maxSize);
  std::copy_n(changed.begin(), kept, bytes);
  return kept;
}

#endif
