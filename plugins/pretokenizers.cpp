// SPDX-License-Identifier: MIT
#include "plugins/pretokenizers.h"

#include <algorithm>
#include <iterator>

namespace kvasir {

namespace {

using Patterns = std::string_view[];

// Source: the tokenizer.json files that the models were published with; the names are those that GGUF files carry.
// Long alternatives are shared below as they are in those files.
#define KVASIR_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define KVASIR_BLANKS R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define KVASIR_SYMBOLS R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)"
#define KVASIR_GPT2 R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"
#define KVASIR_CAPITALISED R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define KVASIR_CAPITALS R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
#define KVASIR_PUNCTUATED                                                                                              \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"

// Digits in threes, counted from the end of their run. Published as (?=(\d{3})+(?!\d)) and as \d{1,3}(?=(?:\d{3})*\b),
// which look ahead to the end of the run from every three: n * n steps for n digits. Here the run is looked through
// where it begins, and from there on \G goes on three by three; the words are the same.
#define KVASIR_BEFORE_THREES R"((?<!\d)\d{0,2}\K(?=(?:\d{3})++(?!\d))|\G\d{3}\K(?=\d))"
#define KVASIR_THREES R"((?<!\d)\d{1,3}(?=(?:\d{3})*+\b)|\G(?<=\d)\d{3})"

constexpr Patterns kDefault = {R"([\p{P}\$\+<=>\^~\|]+)", KVASIR_GPT2, R"(\p{N}+)", "[0-9][0-9][0-9]"};
constexpr Patterns kGpt2 = {KVASIR_GPT2};
constexpr Patterns kDigitsGpt2 = {R"(\p{N})", KVASIR_GPT2};
constexpr Patterns kThreeDigits = {KVASIR_CONTRACTIONS
                                   R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" KVASIR_SYMBOLS KVASIR_BLANKS};
constexpr Patterns kOneDigit = {KVASIR_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" KVASIR_SYMBOLS KVASIR_BLANKS};
constexpr Patterns kOneDigitMarks = {
    KVASIR_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" KVASIR_BLANKS};
constexpr Patterns kTurkish = {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" KVASIR_SYMBOLS KVASIR_BLANKS};
constexpr Patterns kDigitsFirst = {R"(\p{N}{1,3})", KVASIR_CONTRACTIONS
                                   R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+)" KVASIR_SYMBOLS KVASIR_BLANKS};
constexpr Patterns kLines = {R"([^\n]+|[\n]+)",
                             KVASIR_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})" KVASIR_SYMBOLS KVASIR_BLANKS};
constexpr Patterns kSeedCoder = {KVASIR_CONTRACTIONS
                                 R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" KVASIR_BLANKS};
constexpr Patterns kBailing = {
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr Patterns kHalvedBlanks = {
    KVASIR_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})" KVASIR_SYMBOLS
    R"(|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S))"
    R"(|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})"};
constexpr Patterns kCased = {KVASIR_CAPITALISED KVASIR_CAPITALS R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" KVASIR_BLANKS};
constexpr Patterns kCasedContractions = {KVASIR_CAPITALISED KVASIR_CONTRACTIONS
                                         "?" KVASIR_CAPITALS KVASIR_CONTRACTIONS
                                         R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" KVASIR_BLANKS};
constexpr Patterns kGroupedDigits = {KVASIR_THREES, KVASIR_CAPITALISED KVASIR_CONTRACTIONS
                                     "?" KVASIR_CAPITALS KVASIR_CONTRACTIONS
                                     R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" KVASIR_BLANKS};
constexpr Patterns kDigitGroupsOnly = {R"(\p{N}+)", KVASIR_BEFORE_THREES};
constexpr Patterns kFalcon = {R"([\p{P}\$\+<=>\^~\|`]+)", KVASIR_GPT2, "[0-9][0-9][0-9]"};
constexpr Patterns kSentences = {R"( ?[^(\s|.,!?…。，、।۔،)]+)"};
constexpr Patterns kSentencesDigits = {R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"};
constexpr Patterns kChameleon = {"<sentinel:[0-9]+>",       "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
                                 R"(([\t\n]|    |  ))",     R"(\p{N})",
                                 R"([\p{P}!-/:-@\[-`{-~])", KVASIR_GPT2};
constexpr Patterns kChinesePunctuated = {R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+", KVASIR_PUNCTUATED KVASIR_BLANKS};
constexpr Patterns kDeepseekCoder = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-퟿]+",
                                     R"(\p{N})"};
constexpr Patterns kDeepseekLlm = {R"([\r\n])",
                                   R"(\s?[)"
                                   "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-"
                                   "Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ"
                                   "-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-"
                                   "ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰"
                                   "-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
                                   R"(]+)",
                                   R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
                                   R"(\s+$)",
                                   "[一-龥ࠀ-一가-퟿]+",
                                   R"(\p{N}+)"};
constexpr Patterns kExaoneMoe = {
    KVASIR_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?)"
                        R"(|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr Patterns kYoutu = {
    "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
    KVASIR_CAPITALISED KVASIR_CONTRACTIONS "?" KVASIR_CAPITALS KVASIR_CONTRACTIONS
                                           R"(?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" KVASIR_BLANKS};
constexpr Patterns kNewlines = {R"([^\n]+|[\n]+)"};

/// Sorted by name.
constexpr Pretokenizer kPretokenizers[] = {
    {"a.x-4.0", kGpt2, false, false},
    {"bailingmoe", kBailing, false, false},
    {"bailingmoe2", kBailing, false, false},
    {"bloom", kSentences, false, false},
    {"chameleon", kChameleon, false, true},
    {"chatglm-bpe", kThreeDigits, false, false},
    {"codeshell", kDigitsGpt2, false, false},
    {"cohere2moe", kGroupedDigits, false, false},
    {"command-r", kDigitsGpt2, false, false},
    {"dbrx", kThreeDigits, false, false},
    {"deepseek-coder", kDeepseekCoder, false, false},
    {"deepseek-llm", kDeepseekLlm, false, false},
    {"deepseek-r1-qwen", kOneDigit, false, false},
    {"deepseek-v3", kChinesePunctuated, false, false},
    {"default", kDefault, false, false},
    {"exaone", kDigitsGpt2, false, false},
    {"exaone-moe", kExaoneMoe, false, false},
    {"exaone4", kGpt2, false, false},
    {"f2llmv2", kOneDigit, false, false},
    {"falcon", kFalcon, false, false},
    {"falcon-h1", kThreeDigits, true, true},
    {"falcon3", kThreeDigits, true, true},
    {"gemma4", kNewlines, false, true},
    {"gigachat", kGpt2, false, false},
    {"glm4", kThreeDigits, true, false},
    {"glm5", kThreeDigits, true, false},
    {"gpt-2", kGpt2, false, false},
    {"gpt-4o", kCasedContractions, false, false},
    {"gpt3-finnish", kSentences, false, false},
    {"granite-docling", kGpt2, false, false},
    {"granite-embed-multi-97m", kCasedContractions, true, false},
    {"grok-2", kOneDigit, false, false},
    {"hunyuan", kOneDigit, false, false},
    {"hunyuan-dense", kChinesePunctuated, false, false},
    {"hy_v4", kChinesePunctuated, false, false},
    {"jais", kGpt2, false, false},
    {"jais-2", kHalvedBlanks, false, false},
    {"jina-de", kGpt2, false, false},
    {"jina-es", kGpt2, false, false},
    {"jina-v1-en", kGpt2, false, false},
    {"jina-v2-code", kGpt2, false, false},
    {"jina-v2-de", kGpt2, false, false},
    {"jina-v2-es", kGpt2, false, false},
    {"jina-v5-nano", kThreeDigits, true, true},
    {"joyai-llm", kChinesePunctuated, false, false},
    {"kanana2", kCasedContractions, false, false},
    {"kormo", kOneDigit, false, false},
    {"laguna", kLines, false, false},
    {"lfm2", kThreeDigits, true, true},
    {"llada-moe", kBailing, false, false},
    {"llama-bpe", kThreeDigits, true, true},
    {"llama-v3", kThreeDigits, true, true},
    {"llama3", kThreeDigits, true, true},
    {"llama4", kCasedContractions, false, false},
    {"megrez", kOneDigit, false, false},
    {"mellum", kGpt2, false, false},
    {"mellum2", kDigitsGpt2, false, false},
    {"midm-2.0", kThreeDigits, true, true},
    {"minerva-7b", kDigitsGpt2, false, false},
    {"minicpm5", kDigitsFirst, true, false},
    {"minimax-m2", kCasedContractions, false, false},
    {"modern-bert", kGpt2, false, false},
    {"mpt", kGpt2, false, false},
    {"olmo", kGpt2, false, false},
    {"phi-2", kGpt2, false, false},
    {"pixtral", kThreeDigits, true, true},
    {"poro-chat", kSentences, false, false},
    {"qwen2", kOneDigit, false, false},
    {"qwen35", kOneDigitMarks, false, false},
    {"refact", kDigitsGpt2, false, false},
    {"roberta-bpe", kGpt2, false, false},
    {"seed-coder", kSeedCoder, false, false},
    {"smaug-bpe", kThreeDigits, false, false},
    {"smollm", kDigitsGpt2, false, false},
    {"solar-open", kOneDigit, false, false},
    {"stablelm2", kOneDigit, false, false},
    {"starcoder", kDigitsGpt2, false, false},
    {"superbpe", kDigitGroupsOnly, false, false},
    {"talkie", kCasedContractions, false, false},
    {"tekken", kCased, true, true},
    {"tiny_aya", kGroupedDigits, false, false},
    {"trillion", kGpt2, false, false},
    {"ufakzeka", kTurkish, false, false},
    {"viking", kSentencesDigits, false, false},
    {"youtu", kYoutu, true, false},
};

} // namespace

std::span<const Pretokenizer> pretokenizers() { return kPretokenizers; }

const Pretokenizer *findPretokenizer(std::string_view name) {
  if (name.empty())
    name = "default";
  auto found = std::ranges::lower_bound(kPretokenizers, name, {}, &Pretokenizer::name);
  return found != std::end(kPretokenizers) && found->name == name ? &*found : nullptr;
}

} // namespace kvasir
