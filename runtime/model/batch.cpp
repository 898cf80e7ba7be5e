// SPDX-License-Identifier: MIT
#include "runtime/model/batch.h"

#include <algorithm>
#include <numeric>

namespace kvasir::runtime {
namespace {

void addRun(Chunk &chunk, const Run &run, uint64_t sequenceTokens, Wanted wanted) {
  for (uint64_t i = 0; i < run.count; ++i) {
    const bool isLast = run.first + i + 1 == sequenceTokens;
    if (wanted == Wanted::all || (wanted == Wanted::last && isLast))
      chunk.wanted.push_back(static_cast<uint32_t>(chunk.numTokens + i));
  }
  chunk.runs.push_back(run);
  chunk.numTokens += run.count;
}

} // namespace

uint64_t countWanted(Wanted wanted, const std::vector<uint64_t> &counts) {
  if (wanted == Wanted::none)
    return 0;
  return wanted == Wanted::last ? counts.size() : std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

std::vector<Chunk> cutBatch(const std::vector<uint64_t> &counts, Wanted wanted, uint64_t maxTokens) {
  std::vector<Chunk> chunks(1);
  if (maxTokens == 0)
    for (size_t sequence = 0; sequence < counts.size(); ++sequence)
      chunks.back().runs.push_back({sequence, 0, 0});
  for (size_t sequence = 0; sequence < counts.size(); ++sequence)
    for (uint64_t first = 0; first < counts[sequence];) {
      if (chunks.back().numTokens == maxTokens) {
        const Chunk &full = chunks.back();
        Chunk next;
        next.firstToken = full.firstToken + full.numTokens;
        next.firstWanted = full.firstWanted + full.wanted.size();
        chunks.push_back(std::move(next));
      }
      const uint64_t count = std::min(counts[sequence] - first, maxTokens - chunks.back().numTokens);
      addRun(chunks.back(), {sequence, first, count}, counts[sequence], wanted);
      first += count;
    }
  return chunks;
}

} // namespace kvasir::runtime
