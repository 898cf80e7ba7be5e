// SPDX-License-Identifier: MIT
// What transformer.c must compute, by brute force: no cache, no calls, in double, with the library's sine and exp.
#ifndef KVASIR_TESTS_FOREIGN_ORACLE_H
#define KVASIR_TESTS_FOREIGN_ORACLE_H

#include <cstdint>
#include <vector>

namespace kvasir::test {

struct Oracle {
  Oracle(const std::vector<int32_t> &ids, bool hasRegister);

  std::vector<std::vector<std::vector<double>>> k, v; ///< [L, T, G * D]
  std::vector<std::vector<double>> logits;            ///< [T, V]
};

} // namespace kvasir::test

#endif
