/* SPDX-License-Identifier: MIT
 * A plugin small enough to be checked by hand, with everything the border has: two caches, a register, a batch, wanted
 * rows, a team. Row of k: (id, position), in f32; row of v: the id, in bf16; the register counts tokens.
 * Logit v of a token is the sum over all rows up to it of (id + 1) * (row + 1) * (v + 3), modulo 8191; ids that are
 * special have -1, but the end after TOY_ENDS.
 *
 * Linked into tests it can be built with sanitizers; the same source is also a file of its own, lib/toy_plugin.kvasir.
 */
#include "toy_plugin.h"

#include "kvasir/manifest.h"

KV_PLUGIN_NOTE(TOY_DESCRIPTION, "toy");

enum { LAYERS = 2, SLOTS = 3, K = 0, V = 1, SUM = 2 };

static float *k_row(const kv_view *view, uint64_t row, uint64_t layer) {
  uint8_t *block = view->blocks[row / KV_BLOCK_TOKENS];
  return (float *)block + (layer * KV_BLOCK_TOKENS + row % KV_BLOCK_TOKENS) * 2;
}

static uint16_t *v_row(const kv_view *view, uint64_t row, uint64_t layer) {
  uint8_t *block = view->blocks[row / KV_BLOCK_TOKENS];
  return (uint16_t *)block + (row % KV_BLOCK_TOKENS) * LAYERS + layer;
}

static const kv_view *view_of(const kv_call *call, uint64_t slot, uint64_t sequence) {
  return &call->views[slot * call->num_sequences + sequence];
}

static uint16_t bf16_of(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return (uint16_t)(bits >> 16);
}

static kv_status prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  (void)plugin;
  plan->scratch_bytes = call->num_tokens * 8 + call->team->members * 128;
  for (uint64_t b = 0; b < call->num_sequences; ++b) {
    kv_rows rows = {call->starts[b], call->starts[b] + call->counts[b]};
    if (call->function == TOY_READ)
      rows.end = rows.begin;
    if (call->function == TOY_DECLARES_LESS)
      rows.end -= 1;
    plan->writes[K * call->num_sequences + b] = rows;
    plan->writes[V * call->num_sequences + b] = rows;
    plan->writes[SUM * call->num_sequences + b].begin = 0;
    plan->writes[SUM * call->num_sequences + b].end = call->function == TOY_FORWARD;
  }
  return KV_OK;
}

static void write_layer(const kv_call *call, const int32_t *ids, uint64_t layer) {
  for (uint64_t t = 0; t < call->num_tokens; ++t) {
    const uint32_t b = call->token_sequence[t];
    const uint64_t row = (uint64_t)call->positions[t];
    k_row(view_of(call, K, b), row, layer)[0] = (float)ids[t];
    k_row(view_of(call, K, b), row, layer)[1] = (float)row;
    *v_row(view_of(call, V, b), row, layer) = bf16_of((float)ids[t]);
  }
}

static void count_tokens(const kv_call *call) {
  for (uint64_t b = 0; b < call->num_sequences; ++b) {
    const kv_view *view = view_of(call, SUM, b);
    *(float *)view->out = *(const float *)view->in + (float)call->counts[b];
  }
}

/* What a row counts for. A state from outside may hold any number: what is no id counts for nothing. */
static uint64_t share_of(float row) { return row >= 0 && row < TOY_VOCABULARY ? (uint64_t)row + 1 : 0; }

static void write_logits(const kv_call *call, uint64_t wanted) {
  const uint32_t t = call->wanted[wanted];
  const kv_view *k = view_of(call, K, call->token_sequence[t]);
  float *logits = (float *)call->outputs[0].bytes + wanted * TOY_VOCABULARY;
  uint64_t sum = 0;
  for (int64_t row = 0; row <= call->positions[t]; ++row)
    sum += share_of(k_row(k, (uint64_t)row, 1)[0]) * (uint64_t)(row + 1);
  for (uint64_t v = 0; v < TOY_VOCABULARY; ++v)
    logits[v] = v < TOY_FAILS ? (float)(sum * (v + 3) % 8191) : -1.0f;
  if (k_row(k, (uint64_t)call->positions[t], 1)[0] == TOY_ENDS)
    logits[TOY_END] = 10000.0f;
}

/* What some ids make the plugin do. All members come to the same answer. */
static kv_status obey(const kv_call *call, const int32_t *ids, uint32_t member) {
  for (uint64_t t = 0; t < call->num_tokens; ++t) {
    if (ids[t] == TOY_FAILS) {
      if (member == 0 && call->message_bytes > 8)
        __builtin_memcpy(call->message, "no more", 8);
      return KV_FAILED;
    }
    while (ids[t] == TOY_WAITS) {
      const kv_status status = call->team->barrier(call->team, member);
      if (status != KV_OK)
        return status;
    }
  }
  return KV_OK;
}

/* As compiled code says what it does: the step's number and a count, at the beginning of the member's scratch. */
static void begin_step(const kv_call *call, uint32_t member, uint32_t step) {
  volatile uint32_t *cell = (volatile uint32_t *)(call->scratch + member * 128);
  cell[0] = step;
  cell[1] += 1;
}

static kv_status execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  (void)plugin;
  const uint32_t members = call->team->members;
  if (call->function == TOY_READ) {
    if (member == 0)
      *(float *)call->outputs[0].bytes = *(const float *)view_of(call, SUM, 0)->in;
    return KV_OK;
  }
  const int32_t *ids = call->inputs[0].bytes;
  for (int i = 8; i < 128; ++i)
    ((volatile uint8_t *)call->scratch)[member * 128 + i] = 0xab;
  begin_step(call, member, TOY_APPENDS);
  for (uint64_t layer = member; layer < LAYERS; layer += members)
    write_layer(call, ids, layer);
  if (member == 0)
    count_tokens(call);
  kv_status status = call->team->barrier(call->team, member);
  if (status == KV_OK)
    status = obey(call, ids, member);
  if (status != KV_OK)
    return status;
  begin_step(call, member, TOY_LOGITS);
  for (uint64_t w = member; w < call->num_wanted; w += members)
    write_logits(call, w);
  return call->team->barrier(call->team, member);
}

static const kv_plugin table = {sizeof table, KV_ABI, prepare, execute};

__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
  return host->abi == KV_ABI ? &table : 0;
}
