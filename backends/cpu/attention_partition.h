// SPDX-License-Identifier: MIT
// One partition of attention, and what joins two.
#ifndef KVASIR_BACKENDS_CPU_ATTENTION_PARTITION_H
#define KVASIR_BACKENDS_CPU_ATTENTION_PARTITION_H

#include "backends/cpu/linears.h"

namespace kvasir::cpu {

constexpr int64_t kPartition = 128;

/// Bytes of what is known of a query after some partitions: the largest score, the sum of powers, D lanes.
constexpr int64_t attentionStateBytes(int64_t width) { return 64 + width * 4; }

/// Queries of many tokens side by side in a register tile. Of AVX-512's registers sixteen are sums, as many as
/// vdpbf16ps takes to keep busy. Of AVX2's sixteen registers twelve are sums: each takes two multiplications a step,
/// one after the other, and eight sums would wait for them (0.9 of the time measured).
constexpr int64_t kQueryTile = 8, kQueryTileAvx2 = 6;
/// A multiple of both.
constexpr int64_t kQueriesRoundedTo = 24;

/// Queries side by side of one token, of whose `groupSize` heads each row of the cache is for: the same for every
/// variant.
int64_t aloneQueryTile(int64_t groupSize);

struct PartitionShape {
  int64_t width;     ///< D
  int64_t groupSize; ///< queries of one token, H / G
  int64_t queryTile; ///< queries in registers; numbers of queries are rounded up to it
  bool isAlone;      ///< one token: rows come from memory, and are fetched ahead
  bool isHalf;       ///< rows are f16; else bf16
};

/// Whether the machine multiplies pairs of bf16 where rows are bf16 (they are f16 if `isHalf`). Queries and powers are
/// bf16 then, else f32.
inline bool multipliesPairs(const Isa &isa, bool isHalf) { return isa.hasBf16 && !isHalf; }

struct PartitionCall {
  Value queries;    ///< [n][D], scaled by log2(e) / sqrt(D), and rounded to bf16 where rows are
  Value numQueries; ///< n
  Value keys, values;
  Value limit;  ///< keys that the first token sees, from this partition's first on; each next token sees one more
  Value scores; ///< [n][128] f32; a row of powers begins where its scores did
  Value states; ///< [n] states; a query that sees no key here gets -infinity
  Value next;   ///< keys that are fetched ahead, for the next partition
};

/// Emit calls of shared functions.
void emitPartition(const Kernel &kernel, const PartitionShape &shape, const PartitionCall &call);
/// state := state joined with `next`, which comes after it.
void emitMerge(const Kernel &kernel, int64_t width, Value state, Value next);

} // namespace kvasir::cpu

#endif
