// SPDX-License-Identifier: MIT
// kv.write and kv.read, as imported programs have them: a program of its own, and the masks that it is given.
#ifndef KVASIR_CONFORMANCE_ROWS_H
#define KVASIR_CONFORMANCE_ROWS_H

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace conformance {

struct RowsShape {
  uint64_t heads, width; ///< G, D

  std::string name() const; ///< "rows.2x16"
};

/// Functions @step, of T tokens, and @one. Each writes `keys` to layers 0 and 1 of k, from row `position` on, and
/// `values`, which v rounds to f16, to layers 1 and 0 of v; it reads all rows, [0, S), of k's layer 0 (`kept`) and of
/// v's layers
/// (`rounded`, `others`), and gives `mixed`, the rows of k's layer 1 times `mask` [T, S].
std::string rowsProgram(const RowsShape &shape);

/// What a mask lets token number `token` take of each of `length` rows.
enum class MaskKind { causal, full, prefix, band, weighted };
constexpr MaskKind kMaskKinds[] = {MaskKind::causal, MaskKind::full, MaskKind::prefix, MaskKind::band,
                                   MaskKind::weighted};

/// `count` rows of such a mask, the last token's being the last: [T, S], S = length.
std::vector<float> makeMask(MaskKind kind, uint64_t count, uint64_t length, std::mt19937_64 &random);

} // namespace conformance

#endif
