// SPDX-License-Identifier: MIT
// Tokens to text, as they come.
#ifndef KVASIR_RUNTIME_TEXT_DETOKENIZER_H
#define KVASIR_RUNTIME_TEXT_DETOKENIZER_H

#include "plugins/vocabulary.h"

#include <string>

namespace kvasir {

/// Whether control and unknown tokens are part of the text, by their spelling.
enum class ControlText : uint8_t { hidden, shown };

/// What comes before the first token: nothing, or text that it goes on from. Only vocabularies that begin a text with
/// a space of their own make a difference; that space is not part of a text's beginning.
enum class TextStart : uint8_t { beginning, continuation };

struct DecodeOptions {
  ControlText control = ControlText::hidden;
  TextStart start = TextStart::beginning;
};

/// Makes text of one stream of tokens. What it has appended is always whole UTF-8: bytes that may become a character
/// are held back until they are one. Bytes that can't be part of one become U+FFFD.
///
/// The tokens of a text that is UTF-8, encoded without spellings of control tokens, give the text back.
class Detokenizer {
public:
  /// The bytes of `vocabulary` have to outlive this.
  explicit Detokenizer(const VocabularyView &vocabulary, DecodeOptions options = {});

  /// Appends to `text` what is certain with this token. Ids that there are not append nothing.
  void push(TokenId token, std::string &text);

  /// Appends what is held back, as U+FFFD. The next token begins a new text.
  void finish(std::string &text);

private:
  void release(std::string &text);

  VocabularyView vocabulary;
  DecodeOptions options;
  bool dropsSpace;
  std::string held; // what may become a character: at most 3 bytes between calls
};

} // namespace kvasir

#endif
