/* SPDX-License-Identifier: MIT
 *
 * The part of kvasir.h, under its rules, that is about text: to tokens and back, and which token comes next.
 */
#ifndef KVASIR_TEXT_H
#define KVASIR_TEXT_H

#include "kvasir/kvasir.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Text. */

enum {
  KVASIR_ADD_SPECIAL = 1,  /* begin with the tokens that the model wants before a text, end with those after it */
  KVASIR_PARSE_SPECIAL = 2 /* spellings of control tokens ("<|im_end|>") mean the tokens: not for text from outside */
};

/* Text to at most `capacity` ids. `num_ids` is set to how many there are in all, also if they don't fit, so that a call
 * with capacity 0 asks for it.
 * Errors: KV_UNSUPPORTED if the model has no vocabulary; KV_CAPACITY if capacity > 0 and they don't fit. */
KVASIR_API kv_status kvasir_tokenize(const kvasir_model *model, const char *text, size_t text_bytes, uint32_t flags,
                                     int32_t *ids, uint64_t capacity, uint64_t *num_ids, char *message,
                                     size_t message_bytes);

/* 1 if the model ends a text or a turn with this token, else 0. */
KVASIR_API int kvasir_is_end(const kvasir_model *model, int32_t id);

/* Turns ids into text as they come, never half a character. */
enum {
  KVASIR_SHOW_SPECIAL = 1, /* control tokens are spelled out */
  KVASIR_CONTINUES = 2     /* goes on from earlier text: a space that the first token begins with is kept */
};
KVASIR_API kv_status kvasir_detokenizer_make(const kvasir_model *model, uint32_t flags,
                                             kvasir_detokenizer **detokenizer, char *message, size_t message_bytes);
KVASIR_API void kvasir_detokenizer_free(kvasir_detokenizer *detokenizer);

/* The text that this id completes; may be empty. `text` is valid until the next push or finish, not 0-terminated.
 * Errors: KV_BAD_INPUT for an id outside the vocabulary. */
KVASIR_API kv_status kvasir_detokenizer_push(kvasir_detokenizer *detokenizer, int32_t id, const char **text,
                                             size_t *text_bytes, char *message, size_t message_bytes);

/* What is left at the end (U+FFFD for a cut character), as push. The next push begins a new text. */
KVASIR_API kv_status kvasir_detokenizer_finish(kvasir_detokenizer *detokenizer, const char **text, size_t *text_bytes,
                                               char *message, size_t message_bytes);

/* Sampling. */

/* The steps are taken in this order: penalties, top_k, top_p, min_p, temperature. */
typedef struct kvasir_sampler_options {
  uint32_t size;
  uint32_t top_k;          /* only the k likeliest; 0: all */
  float temperature;       /* 0: the likeliest token, always */
  float top_p;             /* only the likeliest that together have this probability; 0 or 1: all */
  float min_p;             /* only those at least this much as likely as the likeliest; 0: all */
  float repeat_penalty;    /* divides logits > 0 of recent tokens, multiplies those below; 0 or 1: none */
  float presence_penalty;  /* taken off the logit of a recent token */
  float frequency_penalty; /* the same, for each time that it is there */
  uint32_t penalty_tokens; /* how many tokens are recent; 0: 64 */
  uint32_t reserved;       /* 0 */
  uint64_t seed;           /* equal seeds give equal choices, on every machine */
} kvasir_sampler_options;

/* `options` may be null: the likeliest token. Errors: KV_BAD_INPUT for a number out of its range, by name. */
KVASIR_API kv_status kvasir_sampler_make(const kvasir_sampler_options *options, kvasir_sampler **sampler, char *message,
                                         size_t message_bytes);
KVASIR_API void kvasir_sampler_free(kvasir_sampler *sampler);

/* Chooses a token from one row of logits [num_logits]. NaN counts as minus infinity.
 * Errors: KV_FAILED if no logit is finite. Cost: O(V). */
KVASIR_API kv_status kvasir_sampler_sample(kvasir_sampler *sampler, const float *logits, uint64_t num_logits,
                                           int32_t *id, char *message, size_t message_bytes);

/* Adds a token, of the prompt or the one that was chosen, to those that the penalties look at.
 * Errors: KV_OUT_OF_MEMORY. */
KVASIR_API kv_status kvasir_sampler_accept(kvasir_sampler *sampler, int32_t id, char *message, size_t message_bytes);

#ifdef __cplusplus
}
#endif

#endif
