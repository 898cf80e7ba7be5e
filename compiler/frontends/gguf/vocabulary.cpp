// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/vocabulary.h"

#include <algorithm>

namespace kvasir::gguf {
namespace {

/// Reads optional keys and remembers the first that is of another type than it should be.
class TokenizerKeys {
public:
  explicit TokenizerKeys(const File &file) : file(file) {}

  std::string string(std::string_view key) {
    const Value *value = file.find(key);
    return std::string(take(key, value, value ? value->asString() : std::nullopt, "a string").value_or(""));
  }
  std::optional<bool> boolean(std::string_view key) {
    const Value *value = file.find(key);
    return take(key, value, value ? value->asBool() : std::nullopt, "a boolean");
  }
  TokenId token(std::string_view key) {
    const Value *value = file.find(key);
    std::optional<uint64_t> id = take(key, value, value ? value->asUnsigned() : std::nullopt, "a token id");
    if (!id || *id == UINT32_MAX) // some writers state "none" so
      return kNoToken;
    if (*id > uint64_t(INT32_MAX))
      take(key, value, std::optional<int>(), "a token id");
    return TokenId(*id);
  }
  std::vector<std::string> strings(std::string_view key) {
    const Value *value = file.find(key);
    auto views = take(key, value, value ? value->asStrings() : std::nullopt, "an array of strings");
    return views ? std::vector<std::string>(views->begin(), views->end()) : std::vector<std::string>();
  }
  std::vector<float> reals(std::string_view key) {
    const Value *value = file.find(key);
    return take(key, value, value ? value->asReals() : std::nullopt, "an array of numbers")
        .value_or(std::vector<float>());
  }
  std::vector<int32_t> integers(std::string_view key) {
    const Value *value = file.find(key);
    auto wide = take(key, value, value ? value->asIntegers() : std::nullopt, "an array of integers");
    std::vector<int32_t> integers;
    for (int64_t integer : wide.value_or(std::vector<int64_t>()))
      integers.push_back(int32_t(std::clamp<int64_t>(integer, INT32_MIN, INT32_MAX)));
    return integers;
  }

  const std::optional<Failure> &failure() const { return first; }

private:
  template <typename T>
  std::optional<T> take(std::string_view key, const Value *value, std::optional<T> taken, const char *expected) {
    if (value && !taken && !first)
      first = Failure{"metadata " + inQuotes(key) + " is " + value->summary() + "; " + expected + " is expected"};
    return taken;
  }

  const File &file;
  std::optional<Failure> first;
};

SpecialTokens specialTokens(TokenizerKeys &keys) {
  return {.bos = keys.token("tokenizer.ggml.bos_token_id"),
          .eos = keys.token("tokenizer.ggml.eos_token_id"),
          .eot = keys.token("tokenizer.ggml.eot_token_id"),
          .eom = keys.token("tokenizer.ggml.eom_token_id"),
          .unk = keys.token("tokenizer.ggml.unknown_token_id"),
          .sep = keys.token("tokenizer.ggml.seperator_token_id"), // spelt so in the files
          .pad = keys.token("tokenizer.ggml.padding_token_id"),
          .mask = keys.token("tokenizer.ggml.mask_token_id")};
}

} // namespace

Result<Vocabulary> vocabularyOf(const File &file) {
  if (!file.find("tokenizer.ggml.model") || !file.find("tokenizer.ggml.tokens"))
    return Failure{"has no tokenizer: metadata 'tokenizer.ggml.model' and 'tokenizer.ggml.tokens' are expected"};
  TokenizerKeys keys(file);
  Vocabulary vocabulary;
  vocabulary.model = keys.string("tokenizer.ggml.model");
  vocabulary.pre = keys.string("tokenizer.ggml.pre");
  vocabulary.tokens = keys.strings("tokenizer.ggml.tokens");
  vocabulary.scores = keys.reals("tokenizer.ggml.scores");
  vocabulary.types = keys.integers("tokenizer.ggml.token_type");
  vocabulary.merges = keys.strings("tokenizer.ggml.merges");
  vocabulary.special = specialTokens(keys);
  vocabulary.addBos = keys.boolean("tokenizer.ggml.add_bos_token");
  vocabulary.addEos = keys.boolean("tokenizer.ggml.add_eos_token");
  vocabulary.addSpacePrefix = keys.boolean("tokenizer.ggml.add_space_prefix");
  vocabulary.chatTemplate = keys.string("tokenizer.chat_template");
  if (keys.failure())
    return *keys.failure();
  return vocabulary;
}

} // namespace kvasir::gguf
