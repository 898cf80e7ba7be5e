// SPDX-License-Identifier: MIT
// One partition of attention, and what joins two.
#ifndef KVASIR_BACKENDS_CPU_ATTENTION_PARTITION_H
#define KVASIR_BACKENDS_CPU_ATTENTION_PARTITION_H

#include "backends/cpu/cache_layout.h"
#include "backends/cpu/linears.h"

namespace kvasir::cpu {

/// A partition is a block of the cache.
constexpr int64_t kPartition = kBlockTokens;

/// A query's scores in a partition, and a line behind them: no two queries of a tile lie from 4 KiB to 4 KiB.
constexpr int64_t kScoreBytes = kPartition * 4 + 64;

/// Queries of many tokens side by side in a register tile. Of AVX-512's registers sixteen are sums, as many as
/// vdpbf16ps takes to keep busy. Of AVX2's sixteen registers twelve are sums: each takes two multiplications a step,
/// one after the other, and eight sums would wait for them (0.9 of the time measured).
constexpr int64_t kQueryTile = 8, kQueryTileAvx2 = 6;
/// A multiple of both.
constexpr int64_t kQueriesRoundedTo = 24;

/// Queries side by side of one token, of whose `groupSize` heads each row of the cache is for: the same for every
/// variant.
int64_t aloneQueryTile(int64_t groupSize);

constexpr float kLog2E = 1.4426950408889634f; ///< scores are powers of two

struct PartitionShape {
  int64_t width;      ///< D
  int64_t groupSize;  ///< queries of one token, H / G
  int64_t queryTile;  ///< queries in registers; numbers of queries are rounded up to it
  bool isAlone;       ///< one token: rows come from memory, and are fetched ahead
  bool isHalf;        ///< rows are f16; else bf16
  int64_t window = 0; ///< the last keys that a token sees; 0: all
  float softcap = 0;  ///< c: a score s becomes c tanh(s / c); 0: none
};

/// Whether the machine multiplies pairs of bf16 where rows are bf16 (they are f16 if `isHalf`). Queries and powers are
/// bf16 then, else f32.
inline bool multipliesPairs(const Isa &isa, bool isHalf) { return isa.multipliesPairs() && !isHalf; }

/// What is known of queries after some partitions, tile by tile: floats that lie side by side, one for each query.
/// Lanes of the values are not among them.
struct QueryRecord {
  enum Line : int64_t {
    kLargest,  ///< the largest score, rounded up to a whole number
    kSum,      ///< the sum of powers
    kHere,     ///< the partition's own kLargest; it and the factors below are forgotten afterwards
    kOfBefore, ///< what joining multiplies by: what was known before; -0, which changes no sum, where that is nothing
    kOfHere,   ///< and what this partition gave; likewise where a query sees no key of it
    kNumLines
  };

  const int64_t queryTile;

  int64_t lanes() const { return std::max<int64_t>(2, int64_t(llvm::PowerOf2Ceil(queryTile))); } ///< of a line
  int64_t bytes() const { return int64_t(llvm::alignTo(kNumLines * lanes() * 4, 64)); }
  /// A line of the tile whose first query is `query`.
  Value lineAt(Code &code, Value records, Value query, Line line) const;
  /// Where one query's float lies.
  Value floatAt(Code &code, Value records, Value query, Line line) const;
};

/// Room for a query's part of a record, whatever the tile.
constexpr int64_t kRecordBytesPerQuery = 64;

struct PartitionCall {
  Value queries;    ///< [n][D], scaled by log2(e), with a softcap by 2 log2(e) / c, and rounded to bf16 where rows are
  Value numQueries; ///< n
  Value keys, values;
  /// The keys that the first token sees, from this partition's first on, end here; each next token sees one more. With
  /// a window they begin `window` keys before, in this partition or an earlier one.
  Value limit;
  Value scores;    ///< [n] times kScoreBytes; a row of powers begins where its scores did
  Value records;   ///< records of all tiles of queries
  Value lanes;     ///< [n][D] f32: sums of powers times values
  Value isFirst;   ///< i1: nothing is known yet of the queries; else this partition is joined to what is
  Value next;      ///< keys that are fetched ahead, for the next partition
  Value nextLimit; ///< of one token: how many of them it sees, or more
};

/// Emit calls of shared functions.
void emitPartition(const Kernel &kernel, const PartitionShape &shape, const PartitionCall &call);

/// Bytes of one query's state, which goes from member to member: kLargest, kSum, and D lanes.
constexpr int64_t attentionStateBytes(int64_t width) { return 64 + width * 4; }
/// state := state joined with `next`, which comes after it and sees a key.
void emitMerge(const Kernel &kernel, int64_t width, Value state, Value next);

} // namespace kvasir::cpu

#endif
