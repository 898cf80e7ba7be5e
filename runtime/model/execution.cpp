// SPDX-License-Identifier: MIT
#include "runtime/model/execution.h"

#include <chrono>
#include <cstring>

namespace kvasir::runtime {
namespace {

/// The part of a tensor that belongs to `count` of its first dim's steps from `first` on.
kv_tensor slice(const TensorDescription &tensor, const Sizes &whole, uint8_t *bytes, uint64_t first, uint64_t count) {
  auto dims = resolveDims(tensor, whole);
  dims[0] = 1;
  const uint64_t stepBytes = denseBytes(tensor.element, dims);
  return {bytes + first * stepBytes, count * stepBytes};
}

std::string rowsText(const kv_rows &rows) {
  return "[" + std::to_string(rows.begin) + ", " + std::to_string(rows.end) + ")";
}

std::vector<uint64_t> startsOf(const Chunk &chunk, const std::vector<Transaction> &transactions) {
  std::vector<uint64_t> starts;
  for (const Run &run : chunk.runs)
    starts.push_back(transactions.empty() ? run.first : transactions[run.sequence].held());
  return starts;
}

} // namespace

Execution::Execution(Model &model, const CallRequest &request, const Chunk &chunk,
                     std::vector<Transaction> &transactions, const std::vector<const uint8_t *> &inputs,
                     const std::vector<uint8_t *> &outputs)
    : model(model), request(request), chunk(chunk), transactions(transactions),
      function(model.description().functions[request.function]), tokens(chunk, startsOf(chunk, transactions)) {
  fillViews();
  fillTensors(inputs, outputs);
  linkArrays();
}

void Execution::fillViews() {
  const size_t numSlots = model.slots()->size();
  for (size_t slot = 0; slot < numSlots; ++slot)
    for (const Run &run : chunk.runs)
      views.push_back(transactions[run.sequence].view(slot));
  writes.resize(numSlots * chunk.runs.size());
}

void Execution::fillTensors(const std::vector<const uint8_t *> &inputs, const std::vector<uint8_t *> &outputs) {
  const Sizes whole = request.sizes();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorDescription &input = function.inputs[i];
    auto *bytes = const_cast<uint8_t *>(inputs[i]);
    inputTensors.push_back(isSplit(input, 'T')
                               ? slice(input, whole, bytes, chunk.firstToken, chunk.numTokens)
                               : kv_tensor{bytes, denseBytes(input.element, resolveDims(input, whole))});
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorDescription &output = function.outputs[i];
    outputTensors.push_back(
        isSplit(output, 'W')   ? slice(output, whole, outputs[i], chunk.firstWanted, chunk.wanted.size())
        : isSplit(output, 'T') ? slice(output, whole, outputs[i], chunk.firstToken, chunk.numTokens)
                               : kv_tensor{outputs[i], denseBytes(output.element, resolveDims(output, whole))});
  }
}

void Execution::linkArrays() {
  call.size = sizeof call;
  call.function = static_cast<uint32_t>(request.function);
  tokens.link(chunk, call);
  call.weights = model.weights();
  call.services = model.services();
  call.message = message.data();
  call.message_bytes = message.size();
  call.extents = request.extents.data();
  plan.size = sizeof plan;
  plan.writes = writes.data();
}

void Execution::run(Model::Turn &turn) {
  requireNotCancelled();
  Team &team = turn.team();
  TeamSize *const adaptive = request.observer ? nullptr : turn.teamSize(request.function, chunk.numTokens);
  const kv_team members{sizeof(kv_team), adaptive ? adaptive->choose() : team.size(), nullptr, nullptr};
  call.team = &members; // prepare's scratch depends on how many they are
  prepare();
  checkWrites();
  call.scratch = turn.scratch().reserve(plan.scratch_bytes);
  call.scratch_bytes = plan.scratch_bytes;
  call.views = views.data();
  call.inputs = inputTensors.data();
  call.outputs = outputTensors.data();
  if (request.observer)
    request.observer->around(observed(team), [&] { execute(team, team.size()); });
  else if (adaptive)
    executeTimed(team, *adaptive);
  else
    execute(team, team.size());
  advance();
}

void Execution::executeTimed(Team &team, TeamSize &size) {
  const auto begin = std::chrono::steady_clock::now();
  execute(team, size.choose());
  size.record(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), team.stalledSeconds());
}

void Execution::advance() {
  const size_t numSequences = chunk.runs.size();
  for (size_t i = 0; i < numSequences && !transactions.empty(); ++i) {
    std::vector<bool> wasSet;
    for (size_t slot = 0; slot < model.slots()->size(); ++slot)
      wasSet.push_back(writes[slot * numSequences + i].end != 0);
    transactions[chunk.runs[i].sequence].advance(addsTokens ? chunk.runs[i].count : 0, idsOf(i), wasSet);
  }
}

/// The ids of a run's tokens, or null if the function takes none.
const int32_t *Execution::idsOf(size_t run) const {
  for (size_t i = 0; i < function.inputs.size(); ++i)
    if (holdsIds(function.inputs[i]) && inputTensors[i].size_bytes == chunk.numTokens * sizeof(int32_t))
      return static_cast<const int32_t *>(inputTensors[i].bytes) + tokens.firsts[run];
  return nullptr;
}

void Execution::prepare() { requireOk(model.plugin().prepare(&model.plugin(), &call, &plan)); }

/// A plugin adds exactly the call's rows to every cache, or nothing to any.
void Execution::checkWrites() {
  const size_t numSequences = chunk.runs.size();
  const auto isCache = [&](size_t i) { return (*model.slots())[i / numSequences].kind == SlotKind::cache; };
  bool writesAny = false, hasCache = false;
  for (size_t i = 0; i < writes.size(); ++i) {
    hasCache |= isCache(i);
    writesAny |= isCache(i) && writes[i].begin != writes[i].end;
  }
  addsTokens = writesAny || !hasCache;
  for (size_t i = 0; i < writes.size() && writesAny; ++i) {
    const size_t sequence = i % numSequences;
    const kv_rows due{tokens.starts[sequence], tokens.starts[sequence] + tokens.counts[sequence]};
    if (isCache(i) && (writes[i].begin != due.begin || writes[i].end != due.end))
      throw Error(KV_FAILED, "function " + function.name + " would write rows " + rowsText(writes[i]) + " of slot " +
                                 (*model.slots())[i / numSequences].name + "; this call's rows are " + rowsText(due));
  }
}

ObservedExecute Execution::observed(Team &team) const {
  std::vector<const State *> states;
  std::vector<size_t> sequences;
  for (const Run &run : chunk.runs) {
    sequences.push_back(run.sequence);
    if (!transactions.empty())
      states.push_back(request.states[run.sequence]);
  }
  return {
      function, model.description().slots, call, writes, std::move(states), std::move(sequences), request.counts.size(),
      team};
}

void Execution::execute(Team &team, uint32_t numMembers) {
  kv_status status = KV_OK;
  team.run(
      [&](const kv_team &members, uint32_t member) {
        // One copy of the call each: only its team differs from what prepare saw.
        kv_call own = call;
        own.team = &members;
        const kv_status result = model.plugin().execute(&model.plugin(), &own, member);
        if (member == 0)
          status = result;
      },
      request.cancel, numMembers);
  requireNotCancelled();
  requireOk(status);
}

void Execution::requireNotCancelled() const {
  if (request.cancel && request.cancel->load(std::memory_order_relaxed))
    throw Error(KV_CANCELLED, "cancelled after " + std::to_string(chunk.firstToken) + " of " +
                                  std::to_string(request.sizes().tokens) + " tokens; the states are as before");
}

void Execution::requireOk(kv_status status) const {
  if (status == KV_OK)
    return;
  std::string line(message.data(), strnlen(message.data(), message.size()));
  if (line.empty())
    line = "function " + function.name + " failed with status " + std::to_string(status);
  throw Error(status >= KV_FAILED && status <= KV_BAD_FILE ? status : kv_status{KV_FAILED}, line);
}

} // namespace kvasir::runtime
