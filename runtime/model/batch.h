// SPDX-License-Identifier: MIT
// The tokens of a call, cut into pieces that the plugin takes.
#ifndef KVASIR_RUNTIME_MODEL_BATCH_H
#define KVASIR_RUNTIME_MODEL_BATCH_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvasir::runtime {

/// Which tokens' output rows a caller wants: of each sequence the last one's, all, or none.
enum class Wanted : uint32_t { last, all, none };

/// The rows of all output that `counts` new tokens make.
uint64_t countWanted(Wanted wanted, const std::vector<uint64_t> &counts);

/// A run of new tokens of one sequence of the batch.
struct Run {
  size_t sequence;
  uint64_t first; ///< among the sequence's new tokens
  uint64_t count;
};

/// What one execute does. The batch's tokens are in order: sequence by sequence, chunk by chunk.
struct Chunk {
  std::vector<Run> runs;
  uint64_t firstToken = 0; ///< of the batch
  uint64_t numTokens = 0;
  uint64_t firstWanted = 0;     ///< among the batch's wanted rows
  std::vector<uint32_t> wanted; ///< tokens of the chunk
};

/// Cuts sequences of `counts` >= 1 new tokens into chunks of at most `maxTokens`, filled in order. One chunk, with a
/// run of no tokens for each sequence, if `maxTokens` is 0.
std::vector<Chunk> cutBatch(const std::vector<uint64_t> &counts, Wanted wanted, uint64_t maxTokens);

} // namespace kvasir::runtime

#endif
