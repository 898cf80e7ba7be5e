/* SPDX-License-Identifier: MIT
 *
 * Kvasir's runtime in C: load a model plugin, keep conversations, run calls on them, read their rows; text to tokens
 * and back; sampling. The same for C++, with objects that clean up after themselves: kvasir.hpp.
 *
 * Rules. Handles are opaque; a null handle may be given to *_free. Structs of options begin with `size`, which the
 * caller sets to sizeof of its own; fields are only ever appended, 0 is the default of each. kvasir_sequence and
 * kvasir_tensor are fixed for good, since they lie in arrays. Every function that can fail returns a status of plugin.h
 * and writes one line without a period to `message` (`message_bytes` bytes including the 0; may be null and 0); on
 * success it writes an empty one. After a failure nothing has changed: no output, no state. Nothing is printed, nothing
 * thrown, no signal handled. Text is UTF-8 and need not end in 0 where a number of bytes is given.
 *
 * Threads. A model may be used by any number of threads; calls on different states of it queue for its team. A state, a
 * detokenizer and a sampler are for one thread at a time; a second call on a busy state gets KV_BUSY at once.
 *
 * Shape letters: B sequences, T new tokens, W wanted tokens, L layers, G key/value heads, D head width, V vocabulary.
 */
#ifndef KVASIR_KVASIR_H
#define KVASIR_KVASIR_H

#include "kvasir/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KVASIR_API __attribute__((visibility("default")))

typedef struct kvasir_model kvasir_model;
typedef struct kvasir_state kvasir_state;
typedef struct kvasir_cancel kvasir_cancel;
typedef struct kvasir_result kvasir_result;
typedef struct kvasir_detokenizer kvasir_detokenizer;
typedef struct kvasir_sampler kvasir_sampler;
typedef struct kvasir_audit kvasir_audit;

/* "0.1.0". Valid for good. */
KVASIR_API const char *kvasir_version(void);

/* "ok", "capacity", "busy", …; "unknown" for a number that is no status. Valid for good. */
KVASIR_API const char *kvasir_status_name(kv_status status);

/* Models. */

/* Whether each thread keeps to one processor. Automatic: if there is a thread for each core. The caller's own thread is
 * kept to one only while a call runs. */
enum { KVASIR_PIN_AUTOMATIC = 0, KVASIR_PIN_ON = 1, KVASIR_PIN_OFF = 2 };

/* Whether steps may run on fewer threads while other programs take their processors; results are the same. Fixed: all
 * take part in each, for measurements. */
enum { KVASIR_TEAM_ADAPTS = 0, KVASIR_TEAM_FIXED = 1 };

/* What is done with a plugin that was compiled though its functions lose state (kvasir-compile --unverified). */
enum { KVASIR_UNVERIFIED_REFUSE = 0, KVASIR_UNVERIFIED_TAKE = 1 };

/* Whether plugins get the run-time services that they can use. Their libraries may make pages that are written and
 * executed; without one a plugin runs the generated code that it has beside each call of it. The environment's
 * KVASIR_SERVICES=none says the same for a whole process. */
enum { KVASIR_SERVICES_OFFERED = 0, KVASIR_SERVICES_NONE = 1 };

/* Where weights are. Mapped: in the file's own pages, which processes share and the system may take back. Copied: in
 * this process's memory, in huge pages where the system has them. Opening reads the file then, nobody shares the copy,
 * and what becomes of the file does no harm; where memory is fast and the file's pages are small, decoding gains up to
 * a twentieth. */
enum { KVASIR_WEIGHTS_MAPPED = 0, KVASIR_WEIGHTS_COPIED = 1 };

typedef struct kvasir_model_options {
  uint32_t size;
  uint32_t threads;    /* members of the team, the caller's thread among them; 0: one for each core */
  uint32_t pinning;    /* KVASIR_PIN_… */
  uint32_t unverified; /* KVASIR_UNVERIFIED_… */
  uint32_t services;   /* KVASIR_SERVICES_… */
  uint32_t team;       /* KVASIR_TEAM_… */
  uint32_t weights;    /* KVASIR_WEIGHTS_… */
} kvasir_model_options;

/* Checks the file, then loads it. `options` may be null. Weights are mapped and not read, unless a copy is wanted.
 * Errors: KV_BAD_FILE and KV_UNSUPPORTED, with the reason, before any code of the file runs; an unverified plugin is
 * unsupported unless it is asked for.
 * Cost: about a millisecond, whatever the size; of a copy, reading the file. */
KVASIR_API kv_status kvasir_model_open(const char *path, const kvasir_model_options *options, kvasir_model **model,
                                       char *message, size_t message_bytes);

/* States, samplers and detokenizers that were made from it stay usable; memory goes with the last of them. */
KVASIR_API void kvasir_model_free(kvasir_model *model);

/* What the plugin says of itself, as JSON: model, slots with layouts, functions, waivers, numerics. Valid as long as
 * the model; 0-terminated. */
KVASIR_API const char *kvasir_model_description(const kvasir_model *model);

typedef struct kvasir_model_facts {
  uint32_t size;
  uint32_t threads;    /* of its team */
  uint64_t vocabulary; /* V; 0 if it takes no ids */
  uint64_t context;    /* the most tokens of a state */
  uint64_t max_tokens; /* of one execute of predict; longer calls are cut. 0 if the model can't predict */
  uint64_t weights_bytes;
  uint64_t slots; /* of the description */
} kvasir_model_facts;

/* Fills as much of `facts` as its size, which the caller sets, has room for. */
KVASIR_API void kvasir_model_get_facts(const kvasir_model *model, kvasir_model_facts *facts);

/* Memory. */

typedef struct kvasir_plan_options {
  uint32_t size;
  uint32_t batch;   /* sequences; 0: 1 */
  uint64_t context; /* tokens of each; 0: the model's context */
} kvasir_plan_options;

typedef struct kvasir_plan_result {
  uint32_t size; /* the caller's */
  uint32_t batch;
  uint64_t context;
  uint64_t weights_bytes;         /* mapped from the file: pages come when they are first read, and may go again */
  uint64_t state_bytes;           /* the most of all slots and of the ids, for all sequences */
  uint64_t prefill_scratch_bytes; /* while the sequences are filled by one predict, in executes of max_tokens */
  uint64_t decode_scratch_bytes;  /* for one more token of each */
  uint64_t total_bytes;           /* weights, state and the larger scratch */
} kvasir_plan_result;

/* The memory that `batch` sequences of `context` tokens will take, before any of it is taken: their blocks, and what
 * the plugin asks for calls of these shapes. `slot_bytes` [num_slots], in the description's order, may be null.
 * `options` may be null. A host's own forks, checkpoints and several models come on top.
 * Errors: KV_BAD_INPUT beyond the context; KV_UNSUPPORTED if the model can't predict.
 * Cost: some us for each execute that filling the sequences takes. */
KVASIR_API kv_status kvasir_plan(kvasir_model *model, const kvasir_plan_options *options, kvasir_plan_result *result,
                                 uint64_t *slot_bytes, uint64_t num_slots, char *message, size_t message_bytes);

/* States. */

#define KVASIR_NO_CHECKPOINTS UINT32_MAX

typedef struct kvasir_state_options {
  uint32_t size;
  uint32_t checkpoints; /* how many automatic ones are kept; 0: 4; KVASIR_NO_CHECKPOINTS: none */
  uint64_t capacity;    /* the most tokens it may hold; 0: the model's context */
} kvasir_state_options;

/* An empty conversation; memory comes with its tokens, in blocks of 128. `options` may be null.
 * Errors: KV_BAD_INPUT if the capacity is beyond the context. */
KVASIR_API kv_status kvasir_state_make(kvasir_model *model, const kvasir_state_options *options, kvasir_state **state,
                                       char *message, size_t message_bytes);

/* No call may be running on it. Its blocks serve the model's other states. */
KVASIR_API void kvasir_state_free(kvasir_state *state);

/* Tokens that the state holds. While a call runs: as before it. */
KVASIR_API uint64_t kvasir_state_length(const kvasir_state *state);
KVASIR_API uint64_t kvasir_state_capacity(const kvasir_state *state);

/* Forgets everything, checkpoints too. Errors: KV_BUSY. */
KVASIR_API kv_status kvasir_state_reset(kvasir_state *state, char *message, size_t message_bytes);

/* Another conversation that goes on from here: same tokens, rows, registers, checkpoints and options. The two share
 * memory; what either changes is its own, and a call copies at most the last block of 128 tokens that they share.
 * Errors: KV_BUSY, KV_OUT_OF_MEMORY. Cost: about 10 ns and 16 bytes for each block. */
KVASIR_API kv_status kvasir_state_fork(kvasir_state *state, kvasir_state **branch, char *message,
                                       size_t message_bytes);

/* The same conversation for another plugin of the same model, to go on there: tokens, rows, registers, checkpoints.
 * Layouts are data, so any two will do; numbers that the other stores with fewer bits are rounded, to nearest, ties to
 * even, and `rounded_slots`, if not null, is set to how many slots that was. Going on is then what the other plugin
 * does after rows of these numbers were written into it. `state` stays as it is; `options` may be null: as far as
 * possible the state's capacity. Errors: KV_UNSUPPORTED if it is another model (by fingerprint) or schema, or a layout
 * of codes would have to be written; KV_BAD_INPUT if the capacity is beyond the context or below the length; KV_BUSY,
 * KV_OUT_OF_MEMORY. Cost: copies, where layouts are equal; else some ns an element. */
KVASIR_API kv_status kvasir_state_move(kvasir_state *state, kvasir_model *model, const kvasir_state_options *options,
                                       kvasir_state **moved, uint64_t *rounded_slots, char *message,
                                       size_t message_bytes);

/* Forgets the tokens from number `length` on; the state is then as it was when it had `length` tokens, to the bit.
 * Errors: KV_BAD_INPUT beyond the state's length; KV_UNSUPPORTED if the rows that the next token would need have left a
 * slot's window, or the model has registers and there is no checkpoint of them at `length`; KV_BUSY. `nearest`, if not
 * null, is set to the longest length up to `length` that is possible, 0 at worst; the message also has the next longer
 * one. Cost: some us, whatever the lengths; allocates nothing. */
KVASIR_API kv_status kvasir_state_truncate(kvasir_state *state, uint64_t length, uint64_t *nearest, char *message,
                                           size_t message_bytes);

/* Keeps what registers hold now, so that truncate can come back to this length. Goes when the state is cut below it or
 * reset. Each call that succeeds makes one by itself, of which the last few are kept (kvasir_state_options). Of no use,
 * and no cost, where the model has no registers; rows that leave a window are kept by a fork.
 * Errors: KV_BUSY, KV_OUT_OF_MEMORY. Cost: no copy; the bytes of the registers as long as it is kept. */
KVASIR_API kv_status kvasir_state_checkpoint(kvasir_state *state, char *message, size_t message_bytes);

/* Copies the ids of tokens [first, first + count) to `ids` [count]; -1 for tokens of a function that takes no ids.
 * Errors: KV_BAD_INPUT if they are not all there; KV_BUSY. */
KVASIR_API kv_status kvasir_state_ids(kvasir_state *state, uint64_t first, uint64_t count, int32_t *ids, char *message,
                                      size_t message_bytes);

/* L, G and D of a cache; of a register L, 1 and the elements of a layer. Errors: KV_BAD_INPUT if no slot has this
 * name. */
KVASIR_API kv_status kvasir_slot_shape(const kvasir_model *model, const char *slot, uint64_t *layers, uint64_t *heads,
                                       uint64_t *width, char *message, size_t message_bytes);

/* The first row of a cache that is held: 0, or where the slot keeps a window the first that has not left it; the length
 * if none is held. Errors: KV_BAD_INPUT if the slot is no cache; KV_BUSY. */
KVASIR_API kv_status kvasir_state_first_row(kvasir_state *state, const char *slot, uint64_t *row, char *message,
                                            size_t message_bytes);

/* Copies rows [first, first + count) of one layer of a cache to `rows` [count, G, D], as f32 whatever the plugin
 * stores. Errors: KV_BAD_INPUT if the slot, layer or rows are not there, have left the slot's window, or `num_floats`
 * is too few; KV_BUSY. Cost: some ns an element. */
KVASIR_API kv_status kvasir_state_rows(kvasir_state *state, const char *slot, uint64_t layer, uint64_t first,
                                       uint64_t count, float *rows, uint64_t num_floats, char *message,
                                       size_t message_bytes);

/* Overwrites rows, from f32: rounded to what the plugin stores, to nearest, ties to even, beyond its range to infinity.
 * What kvasir_state_rows gave is written back without a change. Ids stay as they are. Errors: as for rows, with nothing
 * written; KV_UNSUPPORTED if the plugin stores rows as codes with scales; KV_OUT_OF_MEMORY. Cost: some ns an element,
 * and a copy of each block that a fork shares. */
KVASIR_API kv_status kvasir_state_write(kvasir_state *state, const char *slot, uint64_t layer, uint64_t first,
                                        uint64_t count, const float *rows, uint64_t num_floats, char *message,
                                        size_t message_bytes);

/* Copies one layer of a register to `values`, row-major, as f32; rows that a cache holds of it (`from` in the
 * description) are in their places. Errors: KV_BAD_INPUT if the slot is no register, has no such layer, or `num_floats`
 * is too few; KV_BUSY, KV_OUT_OF_MEMORY. */
KVASIR_API kv_status kvasir_state_register(kvasir_state *state, const char *slot, uint64_t layer, float *values,
                                           uint64_t num_floats, char *message, size_t message_bytes);

/* Saves a conversation: its used rows, ids, registers and checkpoints, with checksums, and what it belongs to. The file
 * appears under its name whole, in place of an older one, or not at all; a link is followed. The state stays as it is.
 * Errors: KV_FAILED with the system's reason; KV_BUSY. Cost: that of writing the rows, and the disk's time. */
KVASIR_API kv_status kvasir_state_save(kvasir_state *state, const char *path, char *message, size_t message_bytes);

/* A conversation that goes on, to the bit, where the saved one was; all of it, or nothing is made. `options` may be
 * null; a capacity of 0 is the saved one. The file may come from anywhere: nothing that it says is believed unchecked,
 * but whether its rows are those of its tokens only who wrote it knows.
 * Errors: KV_BAD_FILE for a file that is cut short, damaged (which block), or none; KV_UNSUPPORTED if it belongs to
 * another model, tokenizer, schema, numerics, layout or version, by name; KV_BAD_INPUT if it holds more than the
 * capacity. Cost: that of reading the file. */
KVASIR_API kv_status kvasir_state_load(kvasir_model *model, const char *path, const kvasir_state_options *options,
                                       kvasir_state **state, char *message, size_t message_bytes);

/* Calls. */

/* Makes calls stop: each call that was given it returns KV_CANCELLED within about a layer's time. */
KVASIR_API kvasir_cancel *kvasir_cancel_make(void); /* null if there is no memory */
KVASIR_API void kvasir_cancel_free(kvasir_cancel *cancel);

/* Any thread and any signal handler may do it. Stays requested until cleared. */
KVASIR_API void kvasir_cancel_request(kvasir_cancel *cancel);
KVASIR_API void kvasir_cancel_clear(kvasir_cancel *cancel);

/* Which tokens' output rows a caller wants; a model's head is computed for these only. */
enum { KVASIR_WANTED_LAST = 0, KVASIR_WANTED_ALL = 1, KVASIR_WANTED_NONE = 2 };

/* Some functions over registers, of imported programs, have a second form that appends rows to caches. It computes the
 * same where the call's inputs are what it takes them for (`raised` in the description), and runs then, unless a caller
 * wishes for the form over registers. What registers hold does not depend on which form ran; the state's length does:
 * after the raised form it is where the call ended, with rows and checkpoints, after the other it is 0. */
enum { KVASIR_WISH_AUTOMATIC = 0, KVASIR_WISH_OPAQUE = 1 };
enum { KVASIR_FORM_SINGLE = 0, KVASIR_FORM_RAISED = 1, KVASIR_FORM_OPAQUE = 2 };

typedef struct kvasir_call_options {
  uint32_t size;
  uint32_t wanted; /* KVASIR_WANTED_…; last: one row for each sequence */
  const kvasir_cancel *cancel;
  kvasir_audit *audit; /* watches the call, which then runs twice; null: nobody does */
  uint32_t form;       /* KVASIR_WISH_… */
  uint32_t reserved;   /* 0 */
} kvasir_call_options;

/* New tokens of one conversation. */
typedef struct kvasir_sequence {
  kvasir_state *state;
  const int32_t *ids; /* [num_ids] */
  uint64_t num_ids;   /* >= 1 */
} kvasir_sequence;

/* Appends tokens to states and returns logits [W, V], W rows in the order of the sequences and their tokens. All or
 * nothing: on an error every state is as before. Prefill and decode are the same call. `options` may be null.
 * Errors: KV_BAD_INPUT (an id outside the vocabulary, no tokens, a state twice or of another model, `num_floats` less
 * than W * V) before anything runs; KV_CAPACITY, KV_BUSY, KV_CANCELLED, KV_OUT_OF_MEMORY, KV_FAILED.
 * Cost: reads the weights once for each max_tokens tokens. */
KVASIR_API kv_status kvasir_predict(const kvasir_sequence *sequences, uint64_t num_sequences,
                                    const kvasir_call_options *options, float *logits, uint64_t num_floats,
                                    char *message, size_t message_bytes);

enum {
  KVASIR_F32 = 0,
  KVASIR_F16 = 1,
  KVASIR_BF16 = 2,
  KVASIR_I8 = 3,
  KVASIR_U8 = 4,
  KVASIR_I32 = 8,
  KVASIR_I64 = 9,
  KVASIR_F64 = 10
};

/* A dense row-major tensor under its name. */
typedef struct kvasir_tensor {
  const char *name;
  const void *bytes;
  uint64_t size_bytes;
  uint32_t element; /* KVASIR_F32, … */
  uint32_t rank;    /* <= 8 */
  uint64_t dims[8];
} kvasir_tensor;

/* Calls any function of the model by its name. `states` [num_states] each get counts[i] new tokens; `counts` may be
 * null for one state or none: then T is what the inputs say. A function that takes no tokens (max_tokens 0 in the
 * description) has one state, or none if the model has no slots, and `counts` is null; extents that are the function's
 * own (a to z) are what the inputs have. The raised form of another function is called by the other's name. Rules and
 * errors as for predict; also KV_BAD_INPUT for a function or input that is missing, unknown, or of another type or
 * shape. */
KVASIR_API kv_status kvasir_call(kvasir_model *model, const char *function, kvasir_state *const *states,
                                 const uint64_t *counts, uint64_t num_states, const kvasir_tensor *inputs,
                                 uint64_t num_inputs, const kvasir_call_options *options, kvasir_result **result,
                                 char *message, size_t message_bytes);

/* The outputs of a call, in the description's order. Names and bytes are the result's and live as long. */
KVASIR_API uint64_t kvasir_result_count(const kvasir_result *result);
KVASIR_API kvasir_tensor kvasir_result_tensor(const kvasir_result *result, uint64_t index); /* index < count */
KVASIR_API void kvasir_result_free(kvasir_result *result);

/* KVASIR_FORM_…: which form of the function ran; single: it has no other. */
KVASIR_API uint32_t kvasir_result_form(const kvasir_result *result);

/* Where the opaque form ran: why not the raised one, in one line ("input 'mask' is not causal: token 3 sees row 4");
 * else empty. Valid as long as the result. */
KVASIR_API const char *kvasir_result_reason(const kvasir_result *result);

/* Audits: does each token reach its row of every layer of every slot? */

typedef struct kvasir_audit_options {
  uint32_t size;
  uint32_t reserved;            /* 0 */
  const int32_t *ids;           /* [num_ids] the prompt; null: made up */
  uint64_t num_ids;
  uint64_t chunk;               /* tokens of a call of the prompt; 0: all at once */
  const char *checks;           /* "rows,decode": names separated by commas; null: all of them */
  uint64_t seed;                /* of the random cuts; 0: 1 */
  const kvasir_cancel *cancel;
  kvasir_model *against;        /* another plugin of the same model whose rows are compared; null: none */
} kvasir_audit_options;

/* Runs the checks on conversations of its own; needs nothing from the plugin. Checks: rows (which rows of which slot
 * and layer each call writes, and what it must not change), decode (one call against token by token), chunks, batch,
 * perturb (a changed token changes its own row in every layer and no earlier one), cancel. `options` may be null.
 * What the plugin does wrong is in the audit, not in the status.
 * Errors: KV_BAD_INPUT (ids, names of checks, another model's plugin), KV_CANCELLED, KV_OUT_OF_MEMORY, KV_UNSUPPORTED
 * if no function takes tokens alone. Cost: rows up to 2.5 times its calls; the others say what they cost. */
KVASIR_API kv_status kvasir_audit_run(kvasir_model *model, const kvasir_audit_options *options, kvasir_audit **audit,
                                      char *message, size_t message_bytes);

/* An audit that watches the calls that name it in their options: the row map of a live conversation. Calls that find
 * something succeed like others; ask for the findings. One thread at a time. */
KVASIR_API kv_status kvasir_audit_make(kvasir_model *model, kvasir_audit **audit, char *message, size_t message_bytes);
KVASIR_API void kvasir_audit_free(kvasir_audit *audit);

/* What was found so far, one sentence each, errors first: "slot v, layer 3: rows 0–7 were not written in the call of 8
 * tokens; slot k is complete". Valid until the audit's next call or its end. index < count. */
KVASIR_API uint64_t kvasir_audit_num_findings(kvasir_audit *audit);
KVASIR_API const char *kvasir_audit_finding(kvasir_audit *audit, uint64_t index);

/* The report: in one sentence, in some lines, for programs, and as a page that needs nothing from elsewhere. Null if
 * there is no memory. Valid as above; 0-terminated. */
KVASIR_API const char *kvasir_audit_verdict(kvasir_audit *audit);
KVASIR_API const char *kvasir_audit_text(kvasir_audit *audit);
KVASIR_API const char *kvasir_audit_json(kvasir_audit *audit);
KVASIR_API const char *kvasir_audit_html(kvasir_audit *audit);

#ifdef __cplusplus
}
#endif

#include "kvasir/text.h"

#endif
