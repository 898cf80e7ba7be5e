// SPDX-License-Identifier: MIT
#include "tests/unit/small_vocabularies.h"

#include "runtime/text/tokenizer.h"
#include "runtime/text/utf8.h"

#include <doctest/doctest.h>

#include <random>

using namespace kvasir;

namespace {

/// A vocabulary's tokenizer with the bytes that it reads.
struct Subject {
  explicit Subject(const Vocabulary &vocabulary)
      : bytes(*serialise(vocabulary)), tokenizer(std::move(*Tokenizer::make(*VocabularyView::parse(bytes)))) {}

  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const {
    return *tokenizer.encode(text, options);
  }

  std::vector<uint8_t> bytes;
  Tokenizer tokenizer;
};

using Tokens = std::vector<TokenId>;

TokenId byteToken(unsigned byte) { return static_cast<TokenId>(3 + byte); } // of sentencePieceVocabulary

} // namespace

TEST_CASE("merges are done best first, words apart") {
  Subject subject(byteLevelVocabulary());
  CHECK(subject.encode("abc") == Tokens{7});
  CHECK(subject.encode("abab") == Tokens{6, 6});
  CHECK(subject.encode("a abc") == Tokens{1, 4, 7}); // "a b" and "ab c" come before "Ġ a"
  CHECK(subject.encode("a ac") == Tokens{1, 8, 3});
  CHECK(subject.encode("") == Tokens{});
}

TEST_CASE("a symbol that is no token falls back to its bytes, and bytes without a token are dropped") {
  Subject subject(byteLevelVocabulary());
  CHECK(subject.encode("bc") == Tokens{2, 3});
  CHECK(subject.encode("aza") == Tokens{1, 1});
  Vocabulary withUnknown = byteLevelVocabulary();
  addToken(withUnknown, "<unk>", TokenType::unknown);
  withUnknown.special.unk = 12;
  CHECK(Subject(withUnknown).encode("aza") == Tokens{1, 12, 1});
}

TEST_CASE("bytes that are not UTF-8 are encoded as they are") {
  Subject subject(byteLevelVocabulary());
  CHECK(subject.encode("ab\xc3") == Tokens{6, 5});
  CHECK(subject.encode("\xc3\xc3 a") == Tokens{5, 5, 8});
}

TEST_CASE("of user-defined tokens the leftmost is taken, then the longest") {
  Subject subject(byteLevelVocabulary());
  CHECK(subject.encode("a<tag>b") == Tokens{1, 9, 2});
  CHECK(subject.encode("<tag>><tag>") == Tokens{10, 9});
  CHECK(subject.encode("aéa") == Tokens{1, 11, 1});
}

TEST_CASE("a control token's spelling is text unless it is to be parsed") {
  Subject subject(byteLevelVocabulary());
  CHECK(subject.encode("a<|end|>", {.control = ControlTokens::parsed}) == Tokens{1, 0});
  for (TokenId token : subject.encode("a<|end|>"))
    CHECK(token != 0);
}

TEST_CASE("whole words are taken before merges where the pre-tokenizer says so") {
  Vocabulary vocabulary = byteLevelVocabulary();
  vocabulary.merges.clear();
  CHECK(Subject(vocabulary).encode("abc") == Tokens{1, 2, 3});
  vocabulary.pre = "llama3";
  CHECK(Subject(vocabulary).encode("abc") == Tokens{7});
}

TEST_CASE("SentencePiece joins by score and begins a text with a space") {
  Subject subject(sentencePieceVocabulary());
  CHECK(subject.encode("a") == Tokens{262});
  CHECK(subject.encode("ab") == Tokens{264}); // "▁a" has the best score, then "▁ab" is made of it and "b"
  CHECK(subject.encode("aab") == Tokens{262, 263});
  CHECK(subject.encode("") == Tokens{});
  CHECK(subject.encode("ü") == Tokens{259, 265});
  CHECK(subject.encode("a▁a") == subject.encode("a a"));
}

TEST_CASE("SentencePiece spells characters that it has no token for in bytes") {
  Subject subject(sentencePieceVocabulary());
  CHECK(subject.encode("é") == Tokens{259, byteToken(0xc3), byteToken(0xa9)});
  CHECK(subject.encode("\xc3") == Tokens{259, byteToken(0xc3)});
  CHECK(subject.encode("\n") == Tokens{259, byteToken('\n')});
}

TEST_CASE("SentencePiece puts a space after each control token, and some take the white space at their right") {
  Subject subject(sentencePieceVocabulary());
  EncodeOptions parsed{.control = ControlTokens::parsed};
  CHECK(subject.encode("a<s>a", parsed) == Tokens{262, 1, 262});
  CHECK(subject.encode("<chat> \n a", parsed) == Tokens{266, 262});
  CHECK(subject.encode("<chat>  ", parsed) == Tokens{266});
}

TEST_CASE("the ends of a sequence are added on demand") {
  Vocabulary vocabulary = sentencePieceVocabulary();
  CHECK(Subject(vocabulary).encode("a", {.ends = SequenceEnds::added}) == Tokens{1, 262});
  vocabulary.addEos = true;
  vocabulary.addBos = false;
  CHECK(Subject(vocabulary).encode("", {.ends = SequenceEnds::added}) == Tokens{2});
}

TEST_CASE("long words take no quadratic time") {
  Subject byteLevel(byteLevelVocabulary()), sentencePiece(sentencePieceVocabulary());
  std::string text;
  for (int i = 0; i < 200000; ++i)
    text += "ab";
  CHECK(byteLevel.encode(text).size() == 200000);
  CHECK(sentencePiece.encode(text).size() == 200000);
  CHECK(byteLevel.encode(std::string(1000000, ' ')).size() == 1000000);
}

TEST_CASE("damaged vocabularies encode without leaving their bytes") {
  std::mt19937_64 random(2);
  for (const Vocabulary &vocabulary : {byteLevelVocabulary(), sentencePieceVocabulary()}) {
    std::vector<uint8_t> sound = *serialise(vocabulary);
    for (int round = 0; round < 300; ++round) {
      std::vector<uint8_t> damaged = sound;
      for (int flips = 1 + round % 9; flips > 0; --flips)
        damaged[random() % damaged.size()] = static_cast<uint8_t>(random());
      auto view = VocabularyView::parse(damaged);
      auto tokenizer = view ? Tokenizer::make(*view) : Result<Tokenizer>(Failure{"refused"});
      if (tokenizer)
        for (const char *text : {"abc <tag>> <|end|> abab", "<chat>  é\xc3 ab"})
          CHECK(tokenizer->encode(text, {ControlTokens::parsed, SequenceEnds::added}).operator bool());
    }
  }
}

TEST_CASE("vocabularies of random strings are taken or refused, and encode") {
  std::mt19937_64 random(5);
  auto word = [&] {
    std::string text(random() % 5, ' ');
    for (char &byte : text)
      byte = random() % 4 == 0 ? static_cast<char>(random()) : "ab <>\xc4\xa0"[random() % 7];
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    Vocabulary vocabulary;
    vocabulary.model = round % 3 == 0 ? "gpt2" : round % 3 == 1 ? "llama" : "gemma4";
    for (size_t i = random() % 40; i > 0; --i)
      addToken(vocabulary, word(), static_cast<TokenType>(1 + random() % 6), static_cast<float>(random() % 5));
    for (size_t i = random() % 40; i > 0; --i)
      vocabulary.merges.push_back(word() + ' ' + word());
    auto bytes = serialise(vocabulary);
    if (!bytes)
      continue;
    auto tokenizer = Tokenizer::make(*VocabularyView::parse(*bytes));
    REQUIRE(tokenizer);
    std::string text = word() + word() + word() + word();
    auto tokens = tokenizer->encode(text, {ControlTokens::parsed, SequenceEnds::added});
    REQUIRE(tokens);
    for (TokenId token : *tokens)
      CHECK(static_cast<size_t>(token) < vocabulary.tokens.size());
  }
}

TEST_CASE("the first of UTF-8") {
  auto kindOf = [](std::string_view text) { return firstOfUtf8(text).kind; };
  CHECK(firstOfUtf8("€uro").sizeBytes == 3);
  CHECK(firstOfUtf8("\U0001F600").sizeBytes == 4);
  CHECK(kindOf("\xe2\x82") == Utf8::incomplete);
  CHECK(kindOf("\xe2\x28\xa1") == Utf8::invalid);
  CHECK(kindOf("\xc0\xaf") == Utf8::invalid);         // overlong
  CHECK(kindOf("\xed\xa0\x80") == Utf8::invalid);     // a surrogate
  CHECK(kindOf("\xf4\x90\x80\x80") == Utf8::invalid); // beyond U+10FFFF
  CHECK(firstOfUtf8("\xf0\x9f\x98z").sizeBytes == 3);
  CHECK(firstOfUtf8("\xff").sizeBytes == 1);
}
