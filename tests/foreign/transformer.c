/* SPDX-License-Identifier: MIT
 *
 * A transformer written by hand against kvasir/plugin.h alone: 6 layers, 4 query heads on 2 key/value heads, rotated
 * keys, made-up weights. With -DWITH_REGISTER each layer also mixes in the two tokens before, which it keeps in a
 * register. README.md goes through it; HAS_BUG marks the one place of each bug that -DKV_BUG=… puts in (bugs.h).
 *
 * Every number of a token depends on that token and the rows before it only, and is summed in one order: so results
 * are the same bits for any chunking, batch and team.
 */
#include "arithmetic.h"
#include "bugs.h"

#include "kvasir/manifest.h"
#include "kvasir/plugin.h"

/* Shape letters as in plugin.h; also E model width, F feed-forward width, H query heads, V vocabulary. */
enum { L = 6, E = 32, H = 4, G = 2, D = 8, F = 64, V = 64, TAPS = 2, CONTEXT = 1024, MAX_TOKENS = 48 };
enum { SLOT_K, SLOT_V, SLOT_TAPS };

/* Rows in f32; a block is [L, 128, G, D]. */
#define ROWS_LAYOUT                                                                                                    \
  "{\"size_bytes\": 49152, \"planes\": [{\"role\": \"value\", \"element\": \"f32\", \"offset_bits\": 0,"               \
  " \"digits\": [[\"lane\", 8, 32], [\"head\", 2, 256], [\"token\", 128, 512], [\"layer\", 6, 65536]]}]}"

#ifdef WITH_REGISTER
#define REGISTER_SLOT                                                                                                  \
  ", {\"name\": \"taps\", \"kind\": \"register\", \"layers\": 6, \"shape\": [2, 32],"                                  \
  " \"layout\": {\"size_bytes\": 1536, \"planes\": [{\"role\": \"value\", \"element\": \"f32\", \"offset_bits\": 0,"   \
  " \"digits\": [[\"lane\", 64, 32], [\"layer\", 6, 2048]]}]}}"
#else
#define REGISTER_SLOT ""
#endif

KV_PLUGIN_NOTE(
    "{\"format\": 1,"
    " \"model\": {\"name\": \"foreign\", \"architecture\": \"by hand\", \"context\": 1024, \"vocabulary\": 64,"
    "  \"extents\": {\"L\": 6, \"E\": 32, \"H\": 4, \"G\": 2, \"D\": 8, \"F\": 64, \"V\": 64}},"
    " \"backend\": \"by hand\", \"verified\": false,"
    " \"numerics\": {\"id\": \"f32\", \"invariant\": true, \"activations\": \"exact\"},"
    " \"variants\": [],"
    " \"slots\": [{\"name\": \"k\", \"kind\": \"cache\", \"layers\": 6, \"heads\": 2, \"width\": 8,"
    "   \"rotated\": \"adjacent\", \"layout\": " ROWS_LAYOUT "},"
    "  {\"name\": \"v\", \"kind\": \"cache\", \"layers\": 6, \"heads\": 2, \"width\": 8, \"values\": \"k\","
    "   \"layout\": " ROWS_LAYOUT "}" REGISTER_SLOT "],"
    " \"functions\": [{\"name\": \"forward\", \"max_tokens\": 48,"
    "   \"inputs\": [{\"name\": \"ids\", \"element\": \"i32\", \"shape\": [\"T\"], \"role\": \"ids\"}],"
    "   \"outputs\": [{\"name\": \"logits\", \"element\": \"f32\", \"shape\": [\"W\", 64], \"role\": \"logits\"}]}],"
    " \"waivers\": []}",
    "foreign");

/* One token of the call on its way through the layers; lies in the host's scratch. */
typedef struct {
  float x[E]; /* the residual stream */
  float q[H * D], k[G * D], v[G * D];
  float attended[H * D];
} Token;

/* What a member works with. */
typedef struct {
  const kv_call *call;
  uint32_t member;
  Token *tokens; /* [T] */
} Work;

static const kv_view *viewOf(const kv_call *call, uint32_t slot, uint64_t sequence) {
  return &call->views[slot * call->num_sequences + sequence];
}

/* A row of one layer [G, D], or null where the host holds no block for it; only plugins with a bug ask for such. */
static float *rowOf(const kv_view *view, uint32_t layer, uint64_t row) {
  if (row / KV_BLOCK_TOKENS >= view->num_blocks)
    return 0;
  float *block = (float *)view->blocks[row / KV_BLOCK_TOKENS];
  return block + (layer * KV_BLOCK_TOKENS + row % KV_BLOCK_TOKENS) * G * D;
}

static void store(const kv_view *view, uint32_t layer, uint64_t row, const float *values) {
  float *out = rowOf(view, layer, row);
  for (uint32_t i = 0; out && i < G * D; ++i)
    out[i] = values[i];
}

/* Does the call add several tokens to this token's sequence? Most bugs ask. */
static int isPrefill(const kv_call *call, uint64_t t) { return call->counts[call->token_sequence[t]] > 1; }

static int isLast(const kv_call *call, uint64_t t) {
  const uint32_t b = call->token_sequence[t];
  return t + 1 == call->firsts[b] + call->counts[b];
}

#ifdef WITH_REGISTER
/* out [E]: the normalised input of a layer `back` tokens before token t: of this call, or from the register. */
static void readTap(const Work *work, uint32_t layer, uint64_t t, uint64_t back, float *out) {
  const kv_call *call = work->call;
  const uint32_t b = call->token_sequence[t];
  const uint64_t offset = t - call->firsts[b];
  if (back <= offset) {
    normalise(work->tokens[t - back].x, E, out);
    return;
  }
  const float *held = (const float *)viewOf(call, SLOT_TAPS, b)->in + (layer * TAPS + TAPS - (back - offset)) * E;
  for (uint32_t e = 0; e < E; ++e)
    out[e] = held[e];
}

/* What the next call needs of this one: of a layer the inputs of the last tokens [TAPS, E], oldest first. */
static void keepTaps(const Work *work, uint32_t layer, uint64_t t, float *taps) {
  for (uint32_t i = 0; i < TAPS; ++i)
    readTap(work, layer, t, TAPS - 1 - i, taps + (layer * TAPS + i) * E);
}
#endif

/* The layer's input of a token, and its query, key and value. */
static void project(const Work *work, uint32_t layer, uint64_t t) {
  Token *token = &work->tokens[t];
  float in[E];
  normalise(token->x, E, in);
#ifdef WITH_REGISTER
  for (uint32_t back = 1; back <= TAPS; ++back) {
    float tap[E];
    readTap(work, layer, t, back, tap);
    for (uint32_t e = 0; e < E; ++e)
      in[e] += 0.5f * weight(TAP, layer, back, e) * tap[e];
  }
  if (isLast(work->call, t) && !(HAS_BUG(REGISTER_NOT_WRITTEN) && isPrefill(work->call, t)))
    keepTaps(work, layer, t, (float *)viewOf(work->call, SLOT_TAPS, work->call->token_sequence[t])->out);
#endif
  multiply(QUERY, layer, H * D, E, 0.3f, in, token->q);
  multiply(KEY, layer, G * D, E, 0.3f, in, token->k);
  multiply(VALUE, layer, G * D, E, 0.3f, in, token->v);
  if (HAS_BUG(WEIGHT) && layer == 3)
    token->v[11] += 0.01f * in[7];
  for (uint32_t i = 0; i < H * D; i += 2)
    rotate(&token->q[i], &token->q[i + 1], (uint64_t)work->call->positions[t], i % D / 2);
  for (uint32_t i = 0; i < G * D; i += 2)
    rotate(&token->k[i], &token->k[i + 1], (uint64_t)work->call->positions[t], i % D / 2 + 2 * HAS_BUG(ROPE_BASE));
}

/* The token's rows into the cache. */
static void append(const Work *work, uint32_t layer, uint64_t t) {
  const kv_call *call = work->call;
  const Token *token = &work->tokens[t];
  const uint32_t b = call->token_sequence[t];
  const int prefill = isPrefill(call, t);
  const kv_view *k = viewOf(call, SLOT_K, b), *v = viewOf(call, SLOT_V, b);
  uint64_t row = (uint64_t)call->positions[t];

  if (HAS_BUG(SKIPS_ROW_0) && prefill && row == call->starts[b])
    return;
  if (HAS_BUG(LAST_ONLY) && prefill && !isLast(call, t))
    return;
  if (HAS_BUG(FROZEN) && prefill)
    row = call->starts[b];
  if (HAS_BUG(OFF_BY_ONE) && prefill)
    row += 1;
  if (HAS_BUG(LAYER_3_INTO_4) && prefill && layer == 3)
    layer = 4;
  if (HAS_BUG(OTHER_SEQUENCE) && prefill && layer == 3)
    v = viewOf(call, SLOT_V, (b + 1) % call->num_sequences);

  store(k, layer, row, HAS_BUG(SWAPPED) ? token->v : token->k);
  if (!(HAS_BUG(SKIPS_V) && prefill && layer == 3))
    store(v, layer, row, (HAS_BUG(K_INTO_V) && prefill) || HAS_BUG(SWAPPED) ? token->k : token->v);

  if (HAS_BUG(UNDECLARED) && prefill && layer == 3 && row == call->starts[b] && row > 0)
    store(v, layer, row - 1, token->v);
  if (HAS_BUG(BEYOND) && prefill && layer == 3 && isLast(call, t))
    store(k, layer, row + 1, token->k);
  if (HAS_BUG(PADDED) && prefill && isLast(call, t))
    for (uint64_t count = call->counts[b]; count % 8 != 0; ++count) {
      store(k, layer, call->starts[b] + count, token->k);
      store(v, layer, call->starts[b] + count, token->v);
    }
}

/* Rows a token attends to: its own and all before it. */
static uint64_t numVisible(const kv_call *call, uint64_t t) {
  const uint32_t b = call->token_sequence[t];
  if (HAS_BUG(NOT_CAUSAL) && isPrefill(call, t))
    return call->starts[b] + call->counts[b];
  return (uint64_t)call->positions[t] + 1;
}

/* Softmax attention of one query head: q [D], out [D]. */
static void attendHead(const kv_call *call, uint32_t layer, uint64_t t, uint32_t head, const float *q, float *out) {
  const uint32_t b = call->token_sequence[t], lane = head / (H / G) * D;
  const kv_view *k = viewOf(call, SLOT_K, b), *v = viewOf(call, SLOT_V, b);
  const uint64_t visible = numVisible(call, t);
  const int backwards = HAS_BUG(NONDETERMINISTIC) && isPrefill(call, t) && __builtin_parityll(__builtin_ia32_rdtsc());
  float scores[CONTEXT], largest = -1e30f, total = 0;
  for (uint64_t row = 0; row < visible; ++row) {
    float dot = 0;
    for (uint32_t d = 0; d < D; ++d)
      dot += q[d] * rowOf(k, layer, row)[lane + d];
    scores[row] = dot * 0.35355339f;
    largest = scores[row] > largest ? scores[row] : largest;
  }
  for (uint32_t d = 0; d < D; ++d)
    out[d] = 0;
  for (uint64_t i = 0; i < visible; ++i) {
    const uint64_t row = backwards ? visible - 1 - i : i;
    const float share = exponential(scores[row] - largest);
    total += share;
    for (uint32_t d = 0; d < D; ++d)
      out[d] += share * rowOf(v, layer, row)[lane + d];
  }
  for (uint32_t d = 0; d < D; ++d)
    out[d] /= total;
}

static void attend(const Work *work, uint32_t layer, uint64_t t) {
  Token *token = &work->tokens[t];
  for (uint32_t head = 0; head < H; ++head)
    attendHead(work->call, layer, t, head, token->q + head * D, token->attended + head * D);
}

/* What attention found goes into the residual stream, and through the feed-forward network. */
static void feed(const Work *work, uint32_t layer, uint64_t t) {
  Token *token = &work->tokens[t];
  float added[E], in[E], up[F];
  multiply(OUTPUT, layer, E, H * D, 0.3f, token->attended, added);
  for (uint32_t e = 0; e < E; ++e)
    token->x[e] += added[e];
  normalise(token->x, E, in);
  multiply(UP, layer, F, E, 0.3f, in, up);
  for (uint32_t f = 0; f < F; ++f)
    up[f] = up[f] > 0 ? up[f] : 0;
  if (HAS_BUG(FIVE_TOKENS) && layer == 2 && work->call->counts[work->call->token_sequence[t]] == 5)
    up[9] += 1;
  multiply(DOWN, layer, E, F, 0.2f, up, added);
  for (uint32_t e = 0; e < E; ++e)
    token->x[e] += added[e];
}

static void embed(const Work *work, uint32_t layer, uint64_t t) {
  const int32_t *ids = work->call->inputs[0].bytes;
  for (uint32_t e = 0; e < E; ++e)
    work->tokens[t].x[e] = weight(EMBEDDING, layer, (uint32_t)ids[t], e);
}

/* Runs a step for every token that is this member's. */
static void forMine(const Work *work, void (*step)(const Work *, uint32_t, uint64_t), uint32_t layer) {
  for (uint64_t t = work->member; t < work->call->num_tokens; t += work->call->team->members)
    step(work, layer, t);
}

/* All members meet here, between a step that writes and one that reads what others wrote. */
static kv_status meet(const Work *work, uint32_t layer) {
  const kv_call *call = work->call;
  const kv_status status = call->team->barrier(call->team, work->member);
#ifdef WITH_REGISTER
  if (HAS_BUG(REGISTER_ON_ERROR) && status != KV_OK && work->member == 0)
    for (uint64_t b = 0; b < call->num_sequences; ++b)
      keepTaps(work, layer, call->firsts[b] + call->counts[b] - 1, (float *)viewOf(call, SLOT_TAPS, b)->in);
#endif
  return status;
}

static kv_status runLayer(const Work *work, uint32_t layer) {
  kv_status status;
  forMine(work, project, layer);
  if (HAS_BUG(OLD_CACHE)) {
    forMine(work, attend, layer);
    if ((status = meet(work, layer)) != KV_OK)
      return status;
  }
  forMine(work, append, layer);
  if ((status = meet(work, layer)) != KV_OK)
    return status;
  for (uint64_t t = work->member; t < work->call->num_tokens; t += work->call->team->members) {
    if (!(HAS_BUG(OLD_CACHE) && isPrefill(work->call, t)))
      attend(work, layer, t);
    feed(work, layer, t);
  }
  return meet(work, layer);
}

static void writeLogits(const Work *work) {
  const kv_call *call = work->call;
  for (uint64_t w = work->member; w < call->num_wanted; w += call->team->members) {
    float in[E];
    normalise(work->tokens[call->wanted[w]].x, E, in);
    multiply(HEAD, 0, V, E, 0.5f, in, (float *)call->outputs[0].bytes + w * V);
  }
}

static kv_status prepare(const kv_plugin *plugin, const kv_call *call, kv_plan *plan) {
  plan->scratch_bytes = call->num_tokens * sizeof(Token);
  for (uint64_t b = 0; b < call->num_sequences; ++b) {
    const kv_rows rows = {call->starts[b], call->starts[b] + call->counts[b]};
    plan->writes[SLOT_K * call->num_sequences + b] = rows;
    plan->writes[SLOT_V * call->num_sequences + b] = rows;
#ifdef WITH_REGISTER
    plan->writes[SLOT_TAPS * call->num_sequences + b] = (kv_rows){0, 1};
#endif
  }
  return KV_OK;
}

static kv_status execute(const kv_plugin *plugin, const kv_call *call, uint32_t member) {
  const Work work = {call, member, (Token *)call->scratch};
  forMine(&work, embed, 0);
  kv_status status = meet(&work, 0);
  for (uint32_t layer = 0; layer < L && status == KV_OK; ++layer)
    status = runLayer(&work, layer);
  if (status == KV_OK)
    writeLogits(&work);
  return status;
}

static const kv_plugin table = {sizeof(kv_plugin), KV_ABI, prepare, execute};

__attribute__((visibility("default"))) const kv_plugin *kvasir_plugin(const kv_host *host) {
  return KV_HAS(host, kv_host, variant) && host->abi == KV_ABI ? &table : 0;
}
