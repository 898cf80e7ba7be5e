// SPDX-License-Identifier: MIT
#include "tests/unit/small_vocabularies.h"

#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/utf8.h"

#include <doctest/doctest.h>

#include <random>

using namespace kvasir;

namespace {

/// A vocabulary with the bytes it lies in.
struct Subject {
  explicit Subject(const Vocabulary &vocabulary) : bytes(*serialise(vocabulary)), view(*VocabularyView::parse(bytes)) {}

  std::string decode(const std::vector<TokenId> &tokens, DecodeOptions options = {}) const {
    Detokenizer detokenizer(view, options);
    std::string text;
    for (TokenId token : tokens)
      detokenizer.push(token, text);
    detokenizer.finish(text);
    return text;
  }

  std::vector<uint8_t> bytes;
  VocabularyView view;
};

TokenId byteToken(unsigned byte) { return static_cast<TokenId>(3 + byte); } // of sentencePieceVocabulary

} // namespace

TEST_CASE("a character is held back until all its bytes are there") {
  Subject subject(sentencePieceVocabulary());
  Detokenizer detokenizer(subject.view);
  std::string text;
  std::vector<std::string> steps;
  for (unsigned byte : {0xf0, 0x9f, 0x98, 0x80, 0x41, 0xc3}) {
    detokenizer.push(byteToken(byte), text);
    steps.push_back(text);
  }
  CHECK(steps == std::vector<std::string>{"", "", "", "\U0001F600", "\U0001F600A", "\U0001F600A"});
  detokenizer.finish(text);
  CHECK(text == "\U0001F600A\uFFFD");
}

TEST_CASE("bytes that are no character become U+FFFD as soon as that is certain") {
  Subject subject(sentencePieceVocabulary());
  Detokenizer detokenizer(subject.view);
  std::string text;
  for (unsigned byte : {0xe2, 0x82})
    detokenizer.push(byteToken(byte), text);
  CHECK(text == "");
  detokenizer.push(byteToken('A'), text);
  CHECK(text == "\uFFFDA");
  detokenizer.push(byteToken(0x80), text);
  CHECK(text == "\uFFFDA\uFFFD");
}

TEST_CASE("whatever the tokens are, what has been appended is UTF-8 after each") {
  Subject subject(sentencePieceVocabulary());
  auto isUtf8 = [](std::string_view text) {
    for (; !text.empty(); text.remove_prefix(firstOfUtf8(text).sizeBytes))
      if (firstOfUtf8(text).kind != Utf8::character)
        return false;
    return true;
  };
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    Detokenizer detokenizer(subject.view, {.control = ControlText::shown});
    std::string text;
    for (int i = 0; i < 40; ++i) {
      detokenizer.push(static_cast<TokenId>(random() % 270), text);
      REQUIRE(isUtf8(text));
    }
  }
}

TEST_CASE("control tokens are hidden or shown") {
  Subject subject(byteLevelVocabulary());
  CHECK(subject.decode({1, 0, 2}) == "ab");
  CHECK(subject.decode({1, 0, 2}, {.control = ControlText::shown}) == "a<|end|>b");
  CHECK(subject.decode({9, 10}) == "<tag><tag>>");
  CHECK(subject.decode({-1, 12, 1000000}) == "");
}

TEST_CASE("the space that SentencePiece begins a text with is not part of it") {
  Subject subject(sentencePieceVocabulary());
  CHECK(subject.decode({264, 262}) == "ab a");
  CHECK(subject.decode({1, 264}) == "ab");
  CHECK(subject.decode({1, 264}, {.control = ControlText::shown}) == "<s>ab");
  CHECK(subject.decode({264}, {.start = TextStart::continuation}) == " ab");
  CHECK(subject.decode({259, 259, 260}) == " a");
  Vocabulary without = sentencePieceVocabulary();
  without.addSpacePrefix = false;
  CHECK(Subject(without).decode({264}) == " ab");
}

TEST_CASE("decoding takes encoding back") {
  std::mt19937_64 random(4);
  const char *pieces[] = {"a", "b", "ab", " ", "  ", "é", "ü", "\n", "\U0001F600", "▁"};
  Vocabulary byteLevel = byteLevelVocabulary();
  for (int byte = 0; byte < 256; ++byte) { // all bytes, spelled in GPT-2's alphabet
    bool isPrintable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    static int next = 0x100;
    int letter = isPrintable ? byte : next++;
    std::string text =
        letter < 0x80 ? std::string(1, static_cast<char>(letter))
                      : std::string{static_cast<char>(0xc0 | letter >> 6), static_cast<char>(0x80 | (letter & 0x3f))};
    addToken(byteLevel, text);
  }
  for (const Vocabulary &vocabulary : {byteLevel, sentencePieceVocabulary()}) {
    Subject subject(vocabulary);
    auto tokenizer = Tokenizer::make(subject.view);
    REQUIRE(tokenizer);
    bool keepsMarks = vocabulary.model == "gpt2"; // SentencePiece takes U+2581 for a space
    for (int round = 0; round < 200; ++round) {
      std::string text;
      for (int i = 0; i < 8; ++i)
        text += pieces[random() % (keepsMarks ? 10 : 9)];
      CHECK(subject.decode(*tokenizer->encode(text)) == text);
    }
  }
}
