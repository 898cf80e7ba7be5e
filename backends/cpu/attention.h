// SPDX-License-Identifier: MIT
// softmax(q k) v over the rows of a cache, in partitions of 128 keys that are merged in order: every query does the
// same arithmetic, whether it comes alone, in a chunk, or is shared out over a team. Partitions in front of the window
// of all tokens at hand are not touched.
#ifndef KVASIR_BACKENDS_CPU_ATTENTION_H
#define KVASIR_BACKENDS_CPU_ATTENTION_H

#include "backends/cpu/linears.h"

namespace kvasir::cpu {

/// One attend. D is a multiple of 16.
struct Attention {
  int64_t queryHeads, heads, width; ///< H, G, D
  float scale;
  unsigned keySlot, valueSlot;
  Value layer;             ///< i64
  Value query;             ///< [T][H][D] f32
  Value result;            ///< likewise, or [W][H][D]
  bool isHalf = false;     ///< the rows are f16, and nothing is rounded; else bf16, and so are queries and powers
  bool wantedOnly = false; ///< results are the rows of the call's wanted tokens; no others are computed
  int64_t window = 0;      ///< the last rows that a token sees, its own among them; 0: all
  float softcap = 0;       ///< c: a score s becomes c tanh(s / c); 0: none
  Value sinks = {};        ///< [H] f32: a score more for each head, of a row without values; null: none

  int64_t groupSize() const { return queryHeads / heads; }
};

LinearScratch attentionScratch(int64_t queryHeads, int64_t heads, int64_t width, std::optional<int64_t> rows);

void emitAttention(const Kernel &kernel, const Attention &attention);

} // namespace kvasir::cpu

#endif
