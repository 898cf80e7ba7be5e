/* SPDX-License-Identifier: MIT
 *
 * The border between a host and a plugin: C11 and C++, self-contained, versioned.
 *
 * A plugin is functions and slots. It exports one symbol, `kvasir_plugin`, and carries a manifest note (manifest.h)
 * whose description says in JSON what the functions take and how the slots are laid out; both are read before any of
 * its code runs. The host owns every byte of state, input, output and scratch; a plugin has no memory of its own.
 *
 * Rules: every struct that crosses begins with its `size` as the caller knows it; the callee reads
 * min(size, sizeof) and takes the stated default for what is not there. Fields are only ever appended. Arrays hold
 * plain numbers or pointers, never structs that could grow (kv_rows, kv_view and kv_tensor are fixed for good).
 * Nothing is allocated, thrown or printed across the border.
 *
 * Shape letters: B sequences, T new tokens of the call, W wanted tokens, L layers, G key/value heads, D head width.
 * A function that takes no tokens (max_tokens 0) is called with B = 1, counts[0] = 0 and T = W = 0.
 */
#ifndef KVASIR_PLUGIN_H
#define KVASIR_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a field changes meaning; a host names the range it takes, a plugin the range it was made for. */
#define KV_ABI 1

/* Tokens in one block of state. */
#define KV_BLOCK_TOKENS 128

typedef int32_t kv_status;
enum {
  KV_OK = 0,
  KV_FAILED = 1,        /* see the message */
  KV_BAD_INPUT = 2,     /* an argument, a token id or a shape is wrong */
  KV_CAPACITY = 3,      /* the state can't hold that many tokens */
  KV_BUSY = 4,          /* another call is running on this state */
  KV_CANCELLED = 5,     /* the host asked to stop */
  KV_OUT_OF_MEMORY = 6,
  KV_UNSUPPORTED = 7,   /* this plugin or machine can't do that */
  KV_BAD_FILE = 8       /* a file is damaged, cut short or of another kind */
};

/* Is `field` inside what the other side gave? The only way in which fields newer than ABI 1 are read. */
#define KV_HAS(pointer, type, field) ((pointer)->size >= offsetof(type, field) + sizeof((pointer)->field))

/* The members that run one call together. Every member of a team makes the same sequence of barrier calls. */
typedef struct kv_team {
  uint32_t size;
  uint32_t members; /* >= 1 */
  void *host;       /* the host's own */
  /* Waits for all members. Returns KV_OK, or KV_CANCELLED to all of them alike. After KV_CANCELLED a plugin returns as
   * soon as it can; its results are dropped. */
  kv_status (*barrier)(const struct kv_team *team, uint32_t member);
} kv_team;

/* Rows [begin, end) of one slot in one sequence, counted from the sequence's first token. */
typedef struct kv_rows {
  uint64_t begin, end;
} kv_rows;

/* One slot of one sequence. A cache: blocks[i] holds rows [128 i, 128 i + 128) of all layers, in the slot's layout;
 * blocks below the window are null. A register: `in` is read, `out` written, each [L] tensors in the slot's layout. */
typedef struct kv_view {
  uint8_t *const *blocks;
  uint64_t num_blocks;
  const uint8_t *in;
  uint8_t *out;
} kv_view;

/* A dense row-major input or output; its element type, rank and role are the description's. */
typedef struct kv_tensor {
  void *bytes;
  uint64_t size_bytes;
} kv_tensor;

/* One call of one function on a batch. Sequence b adds counts[b] tokens after the starts[b] that it holds; the batch's
 * tokens are numbered 0..T-1, sequence by sequence. All arrays are the host's and constant during the call. */
typedef struct kv_call {
  uint32_t size;
  uint32_t function;              /* index into the description's functions */
  uint64_t num_sequences;         /* B */
  uint64_t num_tokens;            /* T, the sum of counts */
  uint64_t num_wanted;            /* W */
  const uint64_t *starts;         /* [B] */
  const uint64_t *counts;         /* [B], each >= 1; of a function that takes no tokens, 0 */
  const uint64_t *firsts;         /* [B] number of the sequence's first token in the batch */
  const uint32_t *token_sequence; /* [T] the sequence of each token */
  const int64_t *positions;       /* [T] starts[b] + t - firsts[b] */
  const uint32_t *wanted;         /* [W] tokens whose output rows are wanted, ascending */
  const kv_view *views;           /* [slots * B], slot-major */
  const kv_tensor *inputs;        /* in the description's order */
  const kv_tensor *outputs;
  const uint8_t *weights;         /* the file's weights, on a 64 KiB border */
  uint8_t *scratch;               /* 64-byte aligned, as many bytes as prepare asked for; contents undefined */
  uint64_t scratch_bytes;
  const kv_team *team;
  char *message;                  /* where a failing plugin writes one line, 0-terminated */
  uint64_t message_bytes;
  const uint64_t *extents;        /* [26] what the function's own extents, a to z, are in this call; 0 for letters that
                                   * it has not. May be null if it has none */
  const void *const *services;    /* the tables of the services that the description lists, in its order; null for one
                                   * that this host does not offer. May be null if it lists none */
} kv_call;

/* What prepare answers. */
typedef struct kv_plan {
  uint32_t size;
  uint32_t reserved;
  uint64_t scratch_bytes;
  kv_rows *writes; /* [slots * B], the host's; which rows this call will write. A register: {0, 1} if it will be set. */
} kv_plan;

/* What a host tells a plugin once. */
typedef struct kv_host {
  uint32_t size;
  uint32_t abi;
  uint32_t variant; /* which of the description's variants to run; the host has checked its CPU features */
  uint32_t reserved;
} kv_host;

/* The plugin's own table, constant and valid as long as the plugin is loaded. */
typedef struct kv_plugin {
  uint32_t size;
  uint32_t abi;
  /* Says what execute will need and write, from a call whose views, inputs, outputs and scratch are not yet filled; of
   * the team only `members` is read. Reads no state and no token. */
  kv_status (*prepare)(const struct kv_plugin *plugin, const kv_call *call, kv_plan *plan);
  /* Runs the call; every member of the team enters with its number. Writes only the rows that prepare named, the
   * outputs and scratch. Member 0's status is the call's. */
  kv_status (*execute)(const struct kv_plugin *plugin, const kv_call *call, uint32_t member);
} kv_plugin;

/* The one exported symbol. Null if the host is not understood. */
typedef const kv_plugin *(*kvasir_plugin_fn)(const kv_host *host);

#ifdef __cplusplus
}
#endif

#endif
