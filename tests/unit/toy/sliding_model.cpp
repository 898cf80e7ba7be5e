// SPDX-License-Identifier: MIT
#include "tests/unit/toy/sliding_model.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace kvasir::runtime {
namespace {

constexpr uint64_t kLayers = 2;
enum { kNear, kFar, kTrail };

/// The slots of one sequence.
struct Sequence {
  const kv_view &near, &far, &trail;

  float *nearRow(uint64_t row, uint64_t layer) const {
    return reinterpret_cast<float *>(near.blocks[row / KV_BLOCK_TOKENS]) +
           (layer * KV_BLOCK_TOKENS + row % KV_BLOCK_TOKENS) * 2;
  }
  float &farRow(uint64_t row) const {
    return reinterpret_cast<float *>(far.blocks[row / KV_BLOCK_TOKENS])[row % KV_BLOCK_TOKENS];
  }
  float *trailOf(uint64_t layer) const { return reinterpret_cast<float *>(trail.out) + layer * 2; }
};

uint64_t firstSeen(uint64_t row) { return row < SLIDING_WINDOW ? 0 : row - SLIDING_WINDOW + 1; }

void addToken(const Sequence &sequence, uint64_t row, float id) {
  for (uint64_t layer = 0; layer < kLayers; ++layer) {
    float *trail = sequence.trailOf(layer);
    trail[0] = trail[0] * 0.75f + id / static_cast<float>(layer + 2);
    trail[1] = trail[1] * 0.5f + trail[0];
    float seen = 0;
    for (uint64_t other = firstSeen(row); other < row; ++other)
      seen += sequence.nearRow(other, layer)[1] / static_cast<float>(row - other + 1);
    sequence.nearRow(row, layer)[0] = id + trail[1];
    sequence.nearRow(row, layer)[1] = trail[0] + seen * 0.125f;
  }
  sequence.farRow(row) = id + sequence.nearRow(row, 1)[1];
}

void writeLogits(const Sequence &sequence, uint64_t row, float *logits) {
  float near = 0, far = 0;
  for (uint64_t other = firstSeen(row); other <= row; ++other)
    near += sequence.nearRow(other, 1)[0] * sequence.nearRow(other, 0)[1] / static_cast<float>(row - other + 1);
  for (uint64_t other = 0; other <= row; ++other)
    far += sequence.farRow(other) / static_cast<float>(other + 1);
  for (int v = 0; v < SLIDING_VOCABULARY; ++v)
    logits[v] = near + far * static_cast<float>(v + 1) + sequence.trailOf(0)[1];
}

void runToken(const kv_call *call, uint64_t token, uint64_t &numWanted) {
  const uint64_t b = call->token_sequence[token], numSequences = call->num_sequences;
  const Sequence sequence{call->views[kNear * numSequences + b], call->views[kFar * numSequences + b],
                          call->views[kTrail * numSequences + b]};
  if (token == call->firsts[b])
    std::memcpy(sequence.trail.out, sequence.trail.in, kLayers * 2 * sizeof(float));
  const auto row = static_cast<uint64_t>(call->positions[token]);
  addToken(sequence, row, static_cast<float>(static_cast<const int32_t *>(call->inputs[0].bytes)[token]));
  if (numWanted < call->num_wanted && call->wanted[numWanted] == token)
    writeLogits(sequence, row, static_cast<float *>(call->outputs[0].bytes) + numWanted++ * SLIDING_VOCABULARY);
}

kv_status prepare(const kv_plugin *, const kv_call *call, kv_plan *plan) {
  plan->scratch_bytes = 1000;
  for (uint64_t b = 0; b < call->num_sequences; ++b) {
    for (const int slot : {kNear, kFar})
      plan->writes[slot * call->num_sequences + b] = {call->starts[b], call->starts[b] + call->counts[b]};
    plan->writes[kTrail * call->num_sequences + b] = {0, 1};
  }
  return KV_OK;
}

kv_status execute(const kv_plugin *, const kv_call *call, uint32_t member) {
  uint64_t numWanted = 0;
  for (uint64_t token = 0; token < call->num_tokens; ++token) {
    if (token % 16 == 0)
      if (const kv_status status = call->team->barrier(call->team, member); status != KV_OK)
        return status;
    if (member == 0)
      runToken(call, token, numWanted);
  }
  return call->team->barrier(call->team, member);
}

constexpr kv_plugin kPlugin = {sizeof(kv_plugin), KV_ABI, prepare, execute};

SlotDescription cacheOf(const char *name, uint64_t layers, uint64_t width, uint64_t window) {
  SlotDescription slot;
  slot.name = name;
  slot.layers = layers;
  slot.width = width;
  slot.windowTokens = window;
  const uint64_t layerBits = KV_BLOCK_TOKENS * width * 32;
  slot.layout = {
      layers * layerBits / 8,
      {{PlaneRole::value,
        ElementType::f32,
        0,
        {{Axis::lane, width, 32}, {Axis::token, KV_BLOCK_TOKENS, width * 32}, {Axis::layer, layers, layerBits}}}}};
  return slot;
}

SlotDescription trailSlot() {
  SlotDescription slot;
  slot.name = "trail";
  slot.kind = SlotKind::reg;
  slot.layers = kLayers;
  slot.shape = {2};
  slot.layout = {kLayers * 8,
                 {{PlaneRole::value, ElementType::f32, 0, {{Axis::lane, 2, 32}, {Axis::layer, kLayers, 64}}}}};
  return slot;
}

} // namespace

const kv_plugin *slidingPlugin() { return &kPlugin; }

std::shared_ptr<Model> makeSlidingModel(uint32_t threads, const kv_plugin *plugin) {
  Description description;
  description.model.contextTokens = SLIDING_CONTEXT;
  description.model.vocabularySize = SLIDING_VOCABULARY;
  description.slots = {cacheOf("near", kLayers, 2, SLIDING_WINDOW), cacheOf("far", 1, 1, 0), trailSlot()};
  FunctionDescription function;
  function.name = "forward";
  function.maxTokens = SLIDING_MAX_TOKENS;
  function.inputs = {{"ids", ElementType::i32, {{'T', 0}}, TensorRole::ids}};
  function.outputs = {{"logits", ElementType::f32, {{'W', 0}, {0, SLIDING_VOCABULARY}}, TensorRole::logits}};
  description.functions = {function};
  return std::make_shared<Model>(Program{plugin ? plugin : &kPlugin, description, nullptr, nullptr, nullptr},
                                 ModelOptions{threads, Pinning::off});
}

} // namespace kvasir::runtime
