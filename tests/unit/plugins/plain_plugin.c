/* SPDX-License-Identifier: MIT
 *
 * A whole plugin in plain C: one function, a cache and a register. Its logits at token t are the sum of all ids up to
 * t, plus the number of the logit, plus the first byte of the weights if there are any. plugins/README.md has the
 * command that builds it.
 */
#include "kvasir/manifest.h"
#include "kvasir/plugin.h"

enum { kHistory, kTotal, kNumLogits = 8 };

KV_PLUGIN_NOTE(
    "{\"format\": 1,"
    " \"model\": {\"name\": \"plain\", \"architecture\": \"sum\", \"context\": 1024, \"vocabulary\": 8, \"extents\": "
    "{}},"
    " \"backend\": \"by hand\", \"verified\": false,"
    " \"numerics\": {\"id\": \"f32\", \"invariant\": true, \"activations\": \"exact\"},"
    " \"variants\": [],"
    " \"slots\": ["
    "  {\"name\": \"history\", \"kind\": \"cache\", \"layers\": 1, \"heads\": 1, \"width\": 1,"
    "   \"layout\": {\"size_bytes\": 512, \"planes\": [{\"role\": \"value\", \"element\": \"f32\", \"offset_bits\": 0,"
    "               \"digits\": [[\"token\", 128, 32]]}]}},"
    "  {\"name\": \"total\", \"kind\": \"register\", \"layers\": 1, \"shape\": [1],"
    "   \"layout\": {\"size_bytes\": 4, \"planes\": [{\"role\": \"value\", \"element\": \"f32\", \"offset_bits\": 0,"
    "               \"digits\": []}]}}],"
    " \"functions\": [{\"name\": \"forward\", \"max_tokens\": 64,"
    "   \"inputs\": [{\"name\": \"ids\", \"element\": \"i32\", \"shape\": [\"T\"], \"role\": \"ids\"}],"
    "   \"outputs\": [{\"name\": \"logits\", \"element\": \"f32\", \"shape\": [\"W\", 8], \"role\": \"logits\"}]}],"
    " \"waivers\": []}",
    "plain");

static const kv_view *viewOf(const kv_call *call, uint64_t slot, uint64_t sequence) {
  return &call->views[slot * call->num_sequences + sequence];
}

static float *rowOf(const kv_view *history, uint64_t row) {
  return (float *)history->blocks[row / KV_BLOCK_TOKENS] + row % KV_BLOCK_TOKENS;
}

static kv_status prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  plan->scratch_bytes = 0;
  for (uint64_t b = 0; b < call->num_sequences; ++b) {
    plan->writes[kHistory * call->num_sequences + b] = (kv_rows){call->starts[b], call->starts[b] + call->counts[b]};
    plan->writes[kTotal * call->num_sequences + b] = (kv_rows){0, 1};
  }
  return KV_OK;
}

static void addSequence(const kv_call *call, uint64_t sequence) {
  const int32_t *ids = call->inputs[0].bytes;
  float *logits = call->outputs[0].bytes;
  const kv_view *total = viewOf(call, kTotal, sequence);
  float sum = *(const float *)total->in;
  const uint64_t first = call->firsts[sequence];
  uint64_t wanted = 0;
  for (uint64_t t = first; t < first + call->counts[sequence]; ++t) {
    *rowOf(viewOf(call, kHistory, sequence), call->starts[sequence] + t - first) = (float)ids[t];
    sum += (float)ids[t];
    while (wanted < call->num_wanted && call->wanted[wanted] < t)
      ++wanted;
    if (wanted < call->num_wanted && call->wanted[wanted] == t)
      for (int v = 0; v < kNumLogits; ++v)
        logits[wanted * kNumLogits + v] = sum + (float)v + (call->weights ? (float)call->weights[0] : 0);
  }
  *(float *)total->out = sum;
}

static kv_status execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  if (member == 0)
    for (uint64_t b = 0; b < call->num_sequences; ++b)
      addSequence(call, b);
  return KV_OK;
}

static const kv_plugin table = {sizeof(kv_plugin), KV_ABI, prepare, execute};

__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
  return KV_HAS(host, kv_host, variant) && host->abi == KV_ABI ? &table : 0;
}
