// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

/// What the caller gave, or the default where it left 0.
float orDefault(float given, float otherwise) { return given == 0 ? otherwise : given; }

SamplingOptions samplingFrom(const kvasir_sampler_options &given) {
  SamplingOptions options;
  options.topK = given.top_k;
  options.temperature = given.temperature;
  options.topP = orDefault(given.top_p, 1);
  options.minP = given.min_p;
  options.repeatPenalty = orDefault(given.repeat_penalty, 1);
  options.presencePenalty = given.presence_penalty;
  options.frequencyPenalty = given.frequency_penalty;
  options.penaltyTokens = given.penalty_tokens ? given.penalty_tokens : options.penaltyTokens;
  options.seed = given.seed;
  return options;
}

void giveText(const kvasir_detokenizer &detokenizer, const char **text, size_t *sizeBytes) {
  *text = detokenizer.text.data();
  *sizeBytes = detokenizer.text.size();
}

} // namespace

kv_status kvasir_tokenize(const kvasir_model *model, const char *text, size_t text_bytes, uint32_t flags, int32_t *ids,
                          uint64_t capacity, uint64_t *num_ids, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(model, "model");
    requireGiven(num_ids, "num_ids");
    requireGiven(text_bytes ? text : "", "text");
    const EncodeOptions options{flags & KVASIR_PARSE_SPECIAL ? ControlTokens::parsed : ControlTokens::asText,
                                flags & KVASIR_ADD_SPECIAL ? SequenceEnds::added : SequenceEnds::omitted};
    const auto encoded = model->text->tokenizer().encode({text, text_bytes}, options);
    if (!encoded)
      throw Error(KV_FAILED, encoded.message());
    *num_ids = encoded->size();
    if (capacity > 0 && encoded->size() > capacity)
      throw Error(KV_CAPACITY, "the text is " + std::to_string(encoded->size()) + " tokens; there is room for " +
                                   std::to_string(capacity));
    if (capacity > 0)
      std::ranges::copy(*encoded, ids);
  });
}

int kvasir_is_end(const kvasir_model *model, int32_t id) {
  int isEnd = 0;
  atBorder(nullptr, 0, [&] { isEnd = model->text->tokenizer().vocabulary().isEnd(id); });
  return isEnd;
}

kv_status kvasir_detokenizer_make(const kvasir_model *model, uint32_t flags, kvasir_detokenizer **detokenizer,
                                  char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(model, "model");
    requireGiven(detokenizer, "detokenizer");
    const DecodeOptions options{flags & KVASIR_SHOW_SPECIAL ? ControlText::shown : ControlText::hidden,
                                flags & KVASIR_CONTINUES ? TextStart::continuation : TextStart::beginning};
    const VocabularyView &vocabulary = model->text->tokenizer().vocabulary();
    *detokenizer = new kvasir_detokenizer{model->text, Detokenizer(vocabulary, options), {}};
  });
}

void kvasir_detokenizer_free(kvasir_detokenizer *detokenizer) { delete detokenizer; }

kv_status kvasir_detokenizer_push(kvasir_detokenizer *detokenizer, int32_t id, const char **text, size_t *text_bytes,
                                  char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(detokenizer, "detokenizer");
    const uint32_t vocabulary = detokenizer->vocabulary->tokenizer().vocabulary().numTokens();
    if (id < 0 || static_cast<uint32_t>(id) >= vocabulary)
      throw Error(KV_BAD_INPUT,
                  "token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocabulary));
    detokenizer->text.clear();
    detokenizer->detokenizer.push(id, detokenizer->text);
    giveText(*detokenizer, text, text_bytes);
  });
}

kv_status kvasir_detokenizer_finish(kvasir_detokenizer *detokenizer, const char **text, size_t *text_bytes,
                                    char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(detokenizer, "detokenizer");
    detokenizer->text.clear();
    detokenizer->detokenizer.finish(detokenizer->text);
    giveText(*detokenizer, text, text_bytes);
  });
}

kv_status kvasir_sampler_make(const kvasir_sampler_options *options, kvasir_sampler **sampler, char *message,
                              size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(sampler, "sampler");
    auto made = Sampler::make(samplingFrom(readOptions(options)));
    if (!made)
      throw Error(KV_BAD_INPUT, made.message());
    *sampler = new kvasir_sampler{std::move(*made)};
  });
}

void kvasir_sampler_free(kvasir_sampler *sampler) { delete sampler; }

kv_status kvasir_sampler_sample(kvasir_sampler *sampler, const float *logits, uint64_t num_logits, int32_t *id,
                                char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(sampler, "sampler");
    requireGiven(id, "id");
    const TokenId chosen = sampler->sampler.sample({logits, num_logits});
    if (chosen == kNoToken)
      throw Error(KV_FAILED, "none of the " + std::to_string(num_logits) + " logits is finite");
    *id = chosen;
  });
}

kv_status kvasir_sampler_accept(kvasir_sampler *sampler, int32_t id, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(sampler, "sampler");
    sampler->sampler.accept(id);
  });
}
