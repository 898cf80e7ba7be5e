/* SPDX-License-Identifier: MIT
 * A host application in C: which of several words does the model expect after a text? Two states in one batch, nothing
 * sampled.
 * usage: rank MODEL.kvasir TEXT WORD WORD
 */
#include <kvasir/kvasir.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IDS = 1024 };

static char message[256];

static void require(kv_status status) {
  if (status == KV_OK)
    return;
  fprintf(stderr, "rank: %s (%s)\n", message, kvasir_status_name(status));
  exit(1);
}

/* ln of the probability of `id` after a row of logits; the largest is taken off first, so that exp stays finite. */
static double log_probability(const float *logits, uint64_t vocabulary, int32_t id) {
  double largest = logits[0], sum = 0;
  for (uint64_t v = 1; v < vocabulary; ++v)
    largest = fmax(largest, logits[v]);
  for (uint64_t v = 0; v < vocabulary; ++v)
    sum += exp(logits[v] - largest);
  return logits[id] - largest - log(sum);
}

/* The text and one word as the new tokens of a fresh state. Returns how many of them are the text's. */
static uint64_t make_sequence(kvasir_model *model, const char *text, const char *word, int32_t ids[MAX_IDS],
                              kvasir_sequence *sequence) {
  uint64_t num_text, num_word;
  kvasir_state *state;
  require(kvasir_tokenize(model, text, strlen(text), KVASIR_ADD_SPECIAL, ids, MAX_IDS / 2, &num_text, message,
                          sizeof message));
  require(
      kvasir_tokenize(model, word, strlen(word), 0, ids + num_text, MAX_IDS / 2, &num_word, message, sizeof message));
  require(kvasir_state_make(model, NULL, &state, message, sizeof message));
  *sequence = (kvasir_sequence){state, ids, num_text + num_word};
  return num_text;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: rank MODEL.kvasir TEXT WORD WORD\n");
    return 2;
  }
  kvasir_model *model;
  require(kvasir_model_open(argv[1], NULL, &model, message, sizeof message));
  kvasir_model_facts facts = {.size = sizeof facts};
  kvasir_model_get_facts(model, &facts);

  int32_t ids[2][MAX_IDS];
  uint64_t num_text = 0;
  kvasir_sequence sequences[2];
  for (int i = 0; i < 2; ++i)
    num_text = make_sequence(model, argv[2], argv[3 + i], ids[i], &sequences[i]);

  /* One call for both: each token's logits say what the model expects next. */
  const uint64_t num_floats = (sequences[0].num_ids + sequences[1].num_ids) * facts.vocabulary;
  float *logits = malloc(num_floats * sizeof *logits);
  const kvasir_call_options options = {.size = sizeof options, .wanted = KVASIR_WANTED_ALL};
  require(kvasir_predict(sequences, 2, &options, logits, num_floats, message, sizeof message));

  const float *row = logits;
  for (int i = 0; i < 2; ++i) {
    double sum = 0;
    for (uint64_t t = num_text; t < sequences[i].num_ids; ++t)
      sum += log_probability(row + (t - 1) * facts.vocabulary, facts.vocabulary, ids[i][t]);
    printf("%s: %.3f\n", argv[3 + i], sum);
    row += sequences[i].num_ids * facts.vocabulary;
    kvasir_state_free(sequences[i].state);
  }
  free(logits);
  kvasir_model_free(model);
  return 0;
}
