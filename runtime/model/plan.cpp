// SPDX-License-Identifier: MIT
#include "runtime/model/plan.h"

#include "runtime/model/numbering.h"
#include "runtime/state/block_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

namespace kvasir::runtime {
namespace {

/// The scratch that one execute would ask for, of sequences that hold `starts` tokens.
uint64_t scratchFor(const Model &model, const Chunk &chunk, std::vector<uint64_t> starts) {
  const Numbering numbering(chunk, std::move(starts));
  const kv_team team{sizeof(kv_team), model.threads(), nullptr, nullptr};
  std::array<char, 512> message{};
  kv_call call{};
  call.size = sizeof call;
  call.function = static_cast<uint32_t>(model.predictFunction());
  numbering.link(chunk, call);
  call.team = &team;
  call.message = message.data();
  call.message_bytes = message.size();
  std::vector<kv_rows> writes(model.slots()->size() * chunk.runs.size());
  kv_plan plan{};
  plan.size = sizeof plan;
  plan.writes = writes.data();
  if (const kv_status status = model.plugin().prepare(&model.plugin(), &call, &plan); status != KV_OK)
    throw Error(status, std::string(message.data(), strnlen(message.data(), message.size())));
  return plan.scratch_bytes;
}

/// How many blocks of one table all sequences hold, followed call by call.
class BlockCount {
public:
  BlockCount(const Slots &slots, size_t table, uint64_t batch) : slots(slots), table(table), held(batch) {}

  /// An execute that adds `count` tokens after `first` to a sequence: its rows are there before old ones are let go.
  void reach(size_t sequence, uint64_t first, uint64_t count) {
    set(sequence, blocksFor(first + count) - firstBlock(first));
    most = std::max(most, total);
  }
  void leave(size_t sequence, uint64_t length) { set(sequence, blocksFor(length) - firstBlock(length)); }

  uint64_t mostBlocks() const { return most; }

private:
  uint64_t firstBlock(uint64_t token) const {
    return std::min(slots.firstNeededRow(table, token) / KV_BLOCK_TOKENS, blocksFor(token));
  }
  void set(size_t sequence, uint64_t count) {
    total += count - held[sequence];
    held[sequence] = count;
  }

  const Slots &slots;
  const size_t table;
  std::vector<uint64_t> held;
  uint64_t total = 0, most = 0;
};

/// Blocks of a table after the chunks that fill the sequences and a step of each.
uint64_t mostBlocks(const Slots &slots, size_t table, const std::vector<Chunk> &chunks, uint64_t context,
                    uint64_t batch) {
  if (slots.isRegister(table)) // zero; of each sequence its checkpoints, the last of which it holds, and the next value
    return 1 + batch * (kAutomaticCheckpoints + 1);
  BlockCount count(slots, table, batch);
  for (const Chunk &chunk : chunks) {
    for (const Run &run : chunk.runs)
      count.reach(run.sequence, run.first, run.count);
    for (const Run &run : chunk.runs)
      count.leave(run.sequence, run.first + run.count);
  }
  for (uint64_t sequence = 0; sequence < batch; ++sequence)
    count.reach(sequence, context - 1, 1);
  return count.mostBlocks();
}

} // namespace

uint64_t MemoryPlan::stateBytes() const { return std::accumulate(slotBytes.begin(), slotBytes.end(), idBytes); }

MemoryPlan planMemory(const Model &model, uint64_t context, uint64_t batch) {
  if (context > model.context() || batch == 0 || batch > UINT32_MAX)
    throw Error(KV_BAD_INPUT, std::to_string(batch) + " sequences of " + std::to_string(context) +
                                  " tokens: at least one, and at most " + std::to_string(model.context()) +
                                  " tokens, can be planned");
  context = context ? context : model.context();
  const uint64_t cutTokens = model.cutTokens(model.predictFunction());
  std::vector<Chunk> chunks;
  if (context > 1)
    chunks = cutBatch(std::vector<uint64_t>(batch, context - 1), Wanted::last, cutTokens);
  MemoryPlan plan;
  for (const Chunk &chunk : chunks) {
    std::vector<uint64_t> starts;
    for (const Run &run : chunk.runs)
      starts.push_back(run.first);
    plan.prefillScratchBytes = std::max(plan.prefillScratchBytes, scratchFor(model, chunk, std::move(starts)));
  }
  for (const Chunk &chunk : cutBatch(std::vector<uint64_t>(batch, 1), Wanted::last, cutTokens))
    plan.decodeScratchBytes = std::max(plan.decodeScratchBytes,
                                       scratchFor(model, chunk, std::vector<uint64_t>(chunk.runs.size(), context - 1)));
  const Slots &slots = *model.slots();
  for (size_t table = 0; table < slots.numTables(); ++table) {
    const uint64_t bytes = slots.pool(table).bytesFor(mostBlocks(slots, table, chunks, context, batch));
    if (table == slots.idTable())
      plan.idBytes = bytes;
    else
      plan.slotBytes.push_back(bytes);
  }
  return plan;
}

} // namespace kvasir::runtime
