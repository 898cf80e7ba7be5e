// SPDX-License-Identifier: MIT
// What a tokenizer knows: how a frontend states it, how a file holds it, how a runtime reads it without building
// anything.
#ifndef KVASIR_PLUGINS_VOCABULARY_H
#define KVASIR_PLUGINS_VOCABULARY_H

#include "plugins/result.h"
#include "plugins/vocabulary_format.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

using TokenId = int32_t;
inline constexpr TokenId kNoToken = -1;

/// Numbered as in GGUF's tokenizer.ggml.token_type.
enum class TokenType : uint8_t { normal = 1, unknown = 2, control = 3, userDefined = 4, unused = 5, byte = 6 };

/// Which side's white space a token takes away when it is found in a text.
enum class Strip : uint8_t { none = 0, left = 1, right = 2 };

/// Tokens with a role; kNoToken where a vocabulary has none.
struct SpecialTokens {
  TokenId bos = kNoToken;
  TokenId eos = kNoToken;
  TokenId eot = kNoToken; // ends a turn
  TokenId eom = kNoToken; // ends a message
  TokenId unk = kNoToken;
  TokenId sep = kNoToken;
  TokenId pad = kNoToken;
  TokenId mask = kNoToken;

  bool operator==(const SpecialTokens &) const = default;
};

/// A vocabulary as a model's file states it. Strings are those of the file: byte-level tokens in GPT-2's alphabet,
/// SentencePiece's with U+2581 for spaces. What is left empty or kNoToken takes the model's default.
struct Vocabulary {
  std::string model; // "gpt2": byte-level BPE; "llama": SentencePiece BPE; "gemma4": BPE over characters
  std::string pre;   // the pre-tokenizer's name, see pretokenizers.h; empty: default
  std::vector<std::string> tokens;
  std::vector<float> scores;       // [tokens], or empty: all zero
  std::vector<int32_t> types;      // [tokens] numbered as TokenType, or empty: all normal
  std::vector<Strip> strips;       // [tokens], or empty: none
  std::vector<std::string> merges; // "left right", best first
  SpecialTokens special;
  std::optional<bool> addBos;
  std::optional<bool> addEos;
  std::optional<bool> addSpacePrefix;
  std::string chatTemplate;
};

/// The bytes of a file's tokenizer section, with the tables a reader would otherwise have to build.
/// Errors: a model or pre-tokenizer that is not known, a token id or type out of range, arrays of unequal length.
/// Cost: linear in tokens and merges.
Result<std::vector<uint8_t>> serialise(const Vocabulary &vocabulary);

/// How text becomes tokens.
enum class TokenizerKind : uint32_t {
  byteLevel = 1,     // merges by rank, from bytes
  sentencePiece = 2, // merges by score, from characters; bytes where no token fits
  characterLevel = 3 // merges by rank, from characters; bytes where no token fits
};

/// A serialised vocabulary, read where it lies. Holds pointers into the bytes given to `parse`.
///
/// A *symbol* is a token (ids below numTokens) or a string that only merges know (numTokens ≤ id < numSymbols).
/// Damaged contents give wrong answers ("", kNoToken, no merge), never an access outside of the bytes.
class VocabularyView {
public:
  /// Errors: cut short, another kind or version, a table outside of the bytes. Cost: constant, tables are not read.
  static Result<VocabularyView> parse(std::span<const uint8_t> bytes);

  TokenizerKind kind() const { return static_cast<TokenizerKind>(header.kind); }
  uint32_t numTokens() const { return header.numTokens; }
  uint32_t numSymbols() const { return header.numSymbols; }
  SpecialTokens special() const;
  bool addsBos() const { return header.flags & vocabulary_format::kAddsBos; }
  bool addsEos() const { return header.flags & vocabulary_format::kAddsEos; }
  bool addsSpacePrefix() const { return header.flags & vocabulary_format::kAddsSpacePrefix; }
  /// A word that is a token is taken as it is; merges are not asked.
  bool takesWholeWords() const { return header.flags & vocabulary_format::kTakesWholeWords; }

  /// What a symbol stands for, in raw bytes (spaces are spaces); "" for ids that there are not.
  std::string_view text(TokenId symbol) const;
  TokenType type(TokenId token) const;
  bool strips(TokenId token, Strip side) const;
  float score(TokenId token) const;

  /// The token that ordinary text may become: never a control, unknown or byte token.
  TokenId find(std::string_view text) const;

  /// The symbol of one byte, or kNoToken.
  TokenId byteSymbol(uint8_t byte) const;

  struct Merge {
    uint32_t rank; // 0 is the best
    TokenId result;
  };
  std::optional<Merge> findMerge(TokenId left, TokenId right) const;

  /// Tokens that are looked for in a text before anything else (control, unknown, user-defined), sorted by their text.
  uint32_t numMarked() const { return header.numMarked; }
  TokenId marked(uint32_t index) const;

  /// Does this token end what a model generates?
  bool isEnd(TokenId token) const;

  /// Regular expressions (PCRE2 syntax) that cut a text into words, each applied to the pieces the one before left.
  std::vector<std::string_view> patterns() const;
  std::string_view model() const { return stringOf(vocabulary_format::kModel); }
  std::string_view pre() const { return stringOf(vocabulary_format::kPre); }
  std::string_view chatTemplate() const { return stringOf(vocabulary_format::kChatTemplate); }

private:
  VocabularyView() = default;
  template <typename T> T at(vocabulary_format::Table table, uint64_t index) const;
  std::string_view stringOf(vocabulary_format::Table table) const;

  std::span<const uint8_t> bytes;
  vocabulary_format::Header header{};
};

} // namespace kvasir

#endif
