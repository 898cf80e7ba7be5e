// SPDX-License-Identifier: MIT
#include "runtime/model/numbering.h"

namespace kvasir::runtime {

Numbering::Numbering(const Chunk &chunk, std::vector<uint64_t> given) : starts(std::move(given)) {
  for (size_t i = 0; i < chunk.runs.size(); ++i) {
    counts.push_back(chunk.runs[i].count);
    firsts.push_back(positions.size());
    for (uint64_t token = 0; token < counts[i]; ++token) {
      tokenSequence.push_back(static_cast<uint32_t>(i));
      positions.push_back(static_cast<int64_t>(starts[i] + token));
    }
  }
}

void Numbering::link(const Chunk &chunk, kv_call &call) const {
  call.num_sequences = chunk.runs.size();
  call.num_tokens = chunk.numTokens;
  call.num_wanted = chunk.wanted.size();
  call.starts = starts.data();
  call.counts = counts.data();
  call.firsts = firsts.data();
  call.token_sequence = tokenSequence.data();
  call.positions = positions.data();
  call.wanted = chunk.wanted.data();
}

} // namespace kvasir::runtime
