// SPDX-License-Identifier: MIT
#include "runtime/text/marked_tokens.h"

namespace kvasir {

namespace {

bool isWanted(const VocabularyView &vocabulary, TokenId token, ControlTokens control) {
  return control == ControlTokens::parsed || vocabulary.type(token) == TokenType::userDefined;
}

/// The longest wanted token that `text` begins with: walks down the sorted list as if it were a trie, a byte a step.
TokenId longestAtBegin(const VocabularyView &vocabulary, std::string_view text, ControlTokens control) {
  TokenId longest = kNoToken;
  uint32_t begin = 0, end = vocabulary.numMarked();
  for (size_t depth = 0; depth < text.size() && begin < end; ++depth) {
    uint8_t wanted = static_cast<uint8_t>(text[depth]);
    // The first entry of [low, high) whose byte at `depth` is at least `least`; those that end before it come first.
    auto firstFrom = [&](uint32_t low, uint32_t high, unsigned least) {
      while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        std::string_view candidate = vocabulary.text(vocabulary.marked(middle));
        if (depth >= candidate.size() || static_cast<uint8_t>(candidate[depth]) < least)
          low = middle + 1;
        else
          high = middle;
      }
      return low;
    };
    begin = firstFrom(begin, end, wanted);
    end = firstFrom(begin, end, wanted + 1u);
    for (uint32_t i = begin; i < end; ++i) {
      TokenId token = vocabulary.marked(i);
      if (vocabulary.text(token).size() != depth + 1)
        break;
      if (isWanted(vocabulary, token, control))
        longest = token;
    }
  }
  return longest;
}

} // namespace

MarkedTokens::MarkedTokens(const VocabularyView &vocabulary) {
  for (uint32_t i = 0; i < vocabulary.numMarked(); ++i) {
    TokenId token = vocabulary.marked(i);
    std::string_view text = vocabulary.text(token);
    if (text.empty())
      continue;
    for (ControlTokens control : {ControlTokens::asText, ControlTokens::parsed})
      if (isWanted(vocabulary, token, control))
        firstBytes[static_cast<size_t>(control)].set(static_cast<uint8_t>(text[0]));
  }
}

MarkedToken MarkedTokens::findFirst(const VocabularyView &vocabulary, std::string_view text,
                                    ControlTokens control) const {
  const std::bitset<256> &wanted = firstBytes[static_cast<size_t>(control)];
  for (size_t begin = 0; begin < text.size(); ++begin) {
    if (!wanted[static_cast<uint8_t>(text[begin])])
      continue;
    TokenId token = longestAtBegin(vocabulary, text.substr(begin), control);
    if (token != kNoToken)
      return {token, begin, vocabulary.text(token).size()};
  }
  return {kNoToken, text.size(), 0};
}

} // namespace kvasir
