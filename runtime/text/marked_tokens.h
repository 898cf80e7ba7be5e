// SPDX-License-Identifier: MIT
#ifndef KVASIR_RUNTIME_TEXT_MARKED_TOKENS_H
#define KVASIR_RUNTIME_TEXT_MARKED_TOKENS_H

#include "plugins/vocabulary.h"

#include <bitset>
#include <cstddef>
#include <string_view>

namespace kvasir {

/// What the spelling of a control token ("<|im_end|>") in a text means. Texts from outside are never to be `parsed`.
enum class ControlTokens : uint8_t { asText, parsed };

/// ASCII's white space, which strips take away.
inline constexpr std::string_view kAsciiSpace = " \t\n\v\f\r";

/// Where a token that is looked for before anything else lies in a text.
struct MarkedToken {
  TokenId token;
  size_t begin, sizeBytes;
};

/// Finds the user-defined tokens of a vocabulary and, where they are `parsed`, its control and unknown tokens.
class MarkedTokens {
public:
  /// Cost: looks at the first byte of each such token.
  explicit MarkedTokens(const VocabularyView &vocabulary);

  /// The leftmost in `text`, of those the longest; {kNoToken, text.size(), 0} if there is none.
  /// `vocabulary` is the one that this was made from.
  MarkedToken findFirst(const VocabularyView &vocabulary, std::string_view text, ControlTokens control) const;

private:
  std::bitset<256> firstBytes[2]; // by ControlTokens: bytes with which a wanted token begins
};

} // namespace kvasir

#endif
