// SPDX-License-Identifier: MIT
// Vocabularies small enough to work out by hand.
#ifndef KVASIR_TESTS_UNIT_SMALL_VOCABULARIES_H
#define KVASIR_TESTS_UNIT_SMALL_VOCABULARIES_H

#include "plugins/vocabulary.h"

namespace kvasir {

inline void addToken(Vocabulary &vocabulary, std::string text, TokenType type = TokenType::normal, float score = 0) {
  vocabulary.tokens.push_back(std::move(text));
  vocabulary.types.push_back(static_cast<int32_t>(type));
  vocabulary.scores.push_back(score);
}

/// Byte-level: 0..5 are <|end|>, "a", "b", "c", " " (Ġ), the byte 0xC3 (Ã); then ab, abc, "Ġa"; bc is no token although
/// a merge makes it; <tag> and <tag>> are user-defined.
inline Vocabulary byteLevelVocabulary() {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  addToken(vocabulary, "<|end|>", TokenType::control);
  for (const char *text : {"a", "b", "c", "Ġ", "Ã", "ab", "abc", "Ġa"})
    addToken(vocabulary, text);
  addToken(vocabulary, "<tag>", TokenType::userDefined);
  addToken(vocabulary, "<tag>>", TokenType::userDefined);
  addToken(vocabulary, "é", TokenType::userDefined);
  vocabulary.merges = {"a b", "ab c", "Ġ a", "b c"};
  vocabulary.special.eos = 0;
  return vocabulary;
}

/// SentencePiece: <unk>, <s>, </s>, the 256 bytes, then ▁, a, b, ▁a (-1), ab (-2), ▁ab (-3), ü, and <chat>, which takes
/// the white space at its right.
inline Vocabulary sentencePieceVocabulary() {
  Vocabulary vocabulary;
  vocabulary.model = "llama";
  addToken(vocabulary, "<unk>", TokenType::unknown);
  addToken(vocabulary, "<s>", TokenType::control);
  addToken(vocabulary, "</s>", TokenType::control);
  for (int byte = 0; byte < 256; ++byte) {
    const char *digits = "0123456789ABCDEF";
    addToken(vocabulary, std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">", TokenType::byte);
  }
  addToken(vocabulary, "▁", TokenType::normal, -10);
  addToken(vocabulary, "a", TokenType::normal, -11);
  addToken(vocabulary, "b", TokenType::normal, -12);
  addToken(vocabulary, "▁a", TokenType::normal, -1);
  addToken(vocabulary, "ab", TokenType::normal, -2);
  addToken(vocabulary, "▁ab", TokenType::normal, -3);
  addToken(vocabulary, "ü", TokenType::normal, -13);
  addToken(vocabulary, "<chat>", TokenType::control);
  vocabulary.strips.resize(vocabulary.tokens.size(), Strip::none);
  vocabulary.strips.back() = Strip::right;
  return vocabulary;
}

} // namespace kvasir

#endif
