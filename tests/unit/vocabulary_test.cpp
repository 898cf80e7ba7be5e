// SPDX-License-Identifier: MIT
#include "tests/unit/small_vocabularies.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

using namespace kvasir;

namespace {

/// Why this vocabulary is refused.
std::string refusal(const Vocabulary &vocabulary) {
  auto bytes = serialise(vocabulary);
  return bytes ? "taken" : bytes.message();
}

/// Asks for everything a view can say, and for what it can't.
void readAll(const VocabularyView &view) {
  std::string_view all[] = {view.model(), view.pre(), view.chatTemplate()};
  for (std::string_view text : all)
    CHECK(std::count(text.begin(), text.end(), 'x') >= 0);
  CHECK(view.patterns().size() <= 1000);
  for (TokenId id = -2; id < 300; ++id) {
    std::string text(view.text(id));
    (void)view.find(text), (void)view.type(id), (void)view.score(id), (void)view.isEnd(id);
    (void)view.strips(id, Strip::left), (void)view.marked(static_cast<uint32_t>(id));
    (void)view.byteSymbol(static_cast<uint8_t>(id));
    for (TokenId right = 0; right < 12; ++right)
      (void)view.findMerge(id, right);
  }
  (void)view.text(INT32_MAX), (void)view.text(INT32_MIN), (void)view.special();
}

} // namespace

TEST_CASE("a byte-level vocabulary is read back in raw bytes") {
  auto bytes = serialise(byteLevelVocabulary());
  REQUIRE(bytes);
  auto view = VocabularyView::parse(*bytes);
  REQUIRE(view);
  CHECK(view->kind() == TokenizerKind::byteLevel);
  CHECK(view->numTokens() == 12);
  CHECK(view->text(4) == " ");
  CHECK(view->text(5) == "\xc3");
  CHECK(view->text(8) == " a");
  CHECK(view->type(0) == TokenType::control);
  CHECK(view->find(" a") == 8);
  CHECK(view->find("nothing") == kNoToken);
  CHECK(view->byteSymbol(0xc3) == 5);
  CHECK(view->isEnd(0));
  CHECK_FALSE(view->isEnd(1));
  CHECK(view->special().eos == 0);
  CHECK(view->special().bos == kNoToken);
  CHECK(view->pre() == "gpt-2");
  CHECK(view->patterns().size() == 1);
}

TEST_CASE("merges are found by their parts, and make symbols that are no tokens") {
  auto bytes = serialise(byteLevelVocabulary());
  REQUIRE(bytes);
  auto view = VocabularyView::parse(*bytes);
  REQUIRE(view);
  auto merge = view->findMerge(6, 3);
  REQUIRE(merge);
  CHECK(merge->rank == 1);
  CHECK(merge->result == 7);
  CHECK_FALSE(view->findMerge(3, 6));
  auto unnamed = view->findMerge(2, 3);
  REQUIRE(unnamed);
  CHECK(unnamed->result >= static_cast<TokenId>(view->numTokens()));
  CHECK(view->text(unnamed->result) == "bc");
}

TEST_CASE("control, unknown and byte tokens are not what text becomes") {
  auto bytes = serialise(sentencePieceVocabulary());
  REQUIRE(bytes);
  auto view = VocabularyView::parse(*bytes);
  REQUIRE(view);
  CHECK(view->find("<s>") == kNoToken);
  CHECK(view->find("A") == kNoToken);
  CHECK(view->byteSymbol('A') == 3 + 'A');
  CHECK(view->text(3 + 'A') == "A");
  CHECK(view->find(" ab") == 264);
  CHECK(view->score(264) == -3);
  CHECK(view->strips(266, Strip::right));
  CHECK_FALSE(view->strips(266, Strip::left));
  CHECK(view->addsBos());
  CHECK(view->addsSpacePrefix());
  CHECK(view->special().bos == 1);
}

TEST_CASE("what ends a generation is a control token, however its file types it") {
  Vocabulary vocabulary = byteLevelVocabulary();
  addToken(vocabulary, "<|im_end|>", TokenType::userDefined);
  addToken(vocabulary, "<end_of_turn>");
  addToken(vocabulary, "</s>");
  vocabulary.special.eot = 13;
  auto bytes = serialise(vocabulary);
  REQUIRE(bytes);
  auto view = VocabularyView::parse(*bytes);
  REQUIRE(view);
  for (TokenId end : {12, 13}) {
    CHECK(view->isEnd(end));
    CHECK(view->type(end) == TokenType::control);
    CHECK(view->find(view->text(end)) == kNoToken);
  }
  CHECK_FALSE(view->isEnd(14)); // a normal token that is only spelled like one
}

TEST_CASE("what no tokenizer can be made of is refused in one line") {
  Vocabulary vocabulary = byteLevelVocabulary();
  vocabulary.model = "wordpiece";
  CHECK(refusal(vocabulary) == "tokenizer model 'wordpiece' is not known; known are gemma4, gpt2, llama");
  vocabulary = byteLevelVocabulary();
  vocabulary.pre = "yesterday";
  CHECK(refusal(vocabulary) == "pre-tokenizer 'yesterday' is not known");
  vocabulary = byteLevelVocabulary();
  vocabulary.types[3] = 7;
  CHECK(refusal(vocabulary) == "token 3 has type 7, expected 1 to 6");
  vocabulary = byteLevelVocabulary();
  vocabulary.special.bos = 12;
  CHECK(refusal(vocabulary) == "special token 12 is outside of the vocabulary's 12 tokens");
  vocabulary = byteLevelVocabulary();
  vocabulary.scores.pop_back();
  CHECK(refusal(vocabulary) == "the vocabulary has 12 tokens but 11 scores or types");
}

TEST_CASE("a section that is cut short anywhere is refused or read within its bytes") {
  for (const Vocabulary &vocabulary : {byteLevelVocabulary(), sentencePieceVocabulary()}) {
    auto bytes = serialise(vocabulary);
    REQUIRE(bytes);
    for (size_t size = 0; size < bytes->size(); size += 1 + size / 64) {
      std::vector<uint8_t> cut(bytes->begin(), bytes->begin() + static_cast<std::ptrdiff_t>(size));
      CHECK_FALSE(VocabularyView::parse(cut));
    }
  }
}

TEST_CASE("damaged bytes never lead out of the section") {
  std::mt19937_64 random(1);
  for (const Vocabulary &vocabulary : {byteLevelVocabulary(), sentencePieceVocabulary()}) {
    auto sound = serialise(vocabulary);
    REQUIRE(sound);
    for (int round = 0; round < 400; ++round) {
      std::vector<uint8_t> damaged = *sound;
      size_t reach = round % 2 == 0 ? sizeof(vocabulary_format::Header) : damaged.size();
      for (int flips = 1 + round % 7; flips > 0; --flips)
        damaged[random() % reach] = static_cast<uint8_t>(random());
      if (auto view = VocabularyView::parse(damaged))
        readAll(*view);
    }
  }
}
