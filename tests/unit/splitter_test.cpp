// SPDX-License-Identifier: MIT
#include "plugins/pretokenizers.h"
#include "runtime/text/splitter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <string>

using namespace kvasir;

namespace {

/// The words of a text, each between bars.
std::string barred(const Splitter &splitter, std::string_view text) {
  auto words = splitter.split(text);
  REQUIRE(words);
  std::string line = "|";
  for (std::string_view word : *words)
    (line += word) += '|';
  return line;
}

std::string barred(std::string_view name, std::string_view text) {
  const Pretokenizer *pretokenizer = findPretokenizer(name);
  REQUIRE(pretokenizer);
  auto splitter = Splitter::make(pretokenizer->patterns);
  REQUIRE(splitter);
  return barred(*splitter, text);
}

} // namespace

TEST_CASE("every pre-tokenizer's patterns compile, and its words are the text") {
  const std::string text = "  It's 12345 naïve…\r\n\n\t한국어 今天 x_y(z); ÉTÉ's <sentinel:7> 🙂\xff\xc3 end  ";
  CHECK(std::ranges::is_sorted(pretokenizers(), {}, &Pretokenizer::name));
  for (const Pretokenizer &pretokenizer : pretokenizers()) {
    CAPTURE(pretokenizer.name);
    CHECK(findPretokenizer(pretokenizer.name) == &pretokenizer);
    auto splitter = Splitter::make(pretokenizer.patterns);
    REQUIRE(splitter);
    auto words = splitter->split(text);
    REQUIRE(words);
    std::string joined;
    for (std::string_view word : *words) {
      CHECK_FALSE(word.empty());
      joined += word;
    }
    CHECK(joined == text);
  }
  CHECK(findPretokenizer("") == findPretokenizer("default"));
  CHECK_FALSE(findPretokenizer("nobody's"));
}

TEST_CASE("words as the patterns' authors meant them") {
  CHECK(barred("gpt-2", "Hello world's 123  x") == "|Hello| world|'s| 123| | x|");
  CHECK(barred("smollm", "Hello 12") == "|Hello| |1|2|");
  CHECK(barred("llama-bpe", "I'LL pay 12345!!\n\nNow") == "|I|'LL| pay| |123|45|!!\n\n|Now|");
  CHECK(barred("qwen2", "a12 b") == "|a|1|2| b|");
  CHECK(barred("tekken", "HelloWorld XMLFile") == "|Hello|World| XMLFile|");
  CHECK(barred("gpt-4o", "HelloWorld's") == "|Hello|World's|");
  CHECK(barred("tiny_aya", "1234567") == "|1|234|567|");
  CHECK(barred("falcon", "a+b 12345") == "|a|+|b| |123|45|");
}

TEST_CASE("a pattern that matches nothing still cuts") { CHECK(barred("superbpe", "a1234567b") == "|a|1|234|567|b|"); }

TEST_CASE("digits in threes are the words of the published patterns") {
  const std::string_view beforeThrees[] = {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"};
  const std::string_view threes[] = {R"(\d{1,3}(?=(?:\d{3})*\b))"};
  const auto superbpe = Splitter::make(findPretokenizer("superbpe")->patterns);
  const auto publishedSuperbpe = Splitter::make(beforeThrees);
  const auto grouped = Splitter::make(findPretokenizer("tiny_aya")->patterns.first(1));
  const auto publishedGrouped = Splitter::make(threes);
  const std::string_view characters[] = {"0", "1", "2", "7", "٣", "½", "Ⅷ", "a", "_", " ", ",", "é"};
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    const uint32_t kinds = random() % 2 ? 5 : static_cast<uint32_t>(std::size(characters)); // runs, or a mixture
    for (uint32_t left = random() % 24; left > 0; --left)
      text += characters[random() % 16 ? random() % kinds : random() % std::size(characters)];
    CAPTURE(text);
    REQUIRE(barred(*superbpe, text) == barred(*publishedSuperbpe, text));
    REQUIRE(barred(*grouped, text) == barred(*publishedGrouped, text));
  }
}

TEST_CASE("a long run of digits costs as much a digit as a short one") {
  for (const std::string_view name : {"superbpe", "tiny_aya"}) {
    CAPTURE(name);
    auto splitter = Splitter::make(findPretokenizer(name)->patterns);
    REQUIRE(splitter);
    const std::string digits(1'000'000, '7'); // squared, minutes
    const auto words = splitter->split(digits);
    REQUIRE(words);
    CHECK(words->size() == 333'334);
    CHECK(words->front() == "7");
    CHECK(words->back() == "777");
  }
}

TEST_CASE("each pattern is applied to what the one before left") {
  const std::string_view patterns[] = {"b", "[a-c]+"};
  auto splitter = Splitter::make(patterns);
  REQUIRE(splitter);
  CHECK(barred(*splitter, "aabcc-a") == "|aa|b|cc|-|a|");
  CHECK(barred(*splitter, "") == "|");
}

TEST_CASE("bytes that are not UTF-8 are words of their own") {
  CHECK(barred("gpt-2", "ab\xff\xfe 1\xc3") == "|ab|\xff\xfe| 1|\xc3|");
}

TEST_CASE("patterns that are none are refused, texts that cost too much as well") {
  const std::string_view open[] = {"(a"}, costly[] = {"(a|aa)+[cd]"};
  CHECK(Splitter::make(open).message() == "bad pattern of the pre-tokenizer: missing closing parenthesis at byte 2");
  auto splitter = Splitter::make(costly);
  REQUIRE(splitter);
  auto words = splitter->split(std::string(5000, 'a') + "b");
  REQUIRE_FALSE(words);
  CHECK(words.message().starts_with("the pre-tokenizer failed on this text: "));
}

TEST_CASE("a match that does not lead on is refused, not repeated") {
  const std::string_view patterns[] = {R"((?(DEFINE)(b\K))(?=a(?1)))"};
  auto splitter = Splitter::make(patterns);
  REQUIRE(splitter);
  CHECK(splitter->split("xab").message() ==
        "the pre-tokenizer failed on this text: a match ends before it begins, or begins in the one before");
}
