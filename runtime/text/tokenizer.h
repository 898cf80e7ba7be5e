// SPDX-License-Identifier: MIT
// Text to tokens.
#ifndef KVASIR_RUNTIME_TEXT_TOKENIZER_H
#define KVASIR_RUNTIME_TEXT_TOKENIZER_H

#include "plugins/vocabulary.h"
#include "runtime/text/marked_tokens.h"
#include "runtime/text/splitter.h"

#include <string_view>
#include <vector>

namespace kvasir {

/// Whether the tokens that a model wants around a whole text are added (begin and end of sequence, as the vocabulary
/// says).
enum class SequenceEnds : uint8_t { omitted, added };

struct EncodeOptions {
  ControlTokens control = ControlTokens::asText;
  SequenceEnds ends = SequenceEnds::omitted;
};

/// The tokenizer of one vocabulary. May be used by any number of threads.
class Tokenizer {
public:
  /// Keeps the view, thus its bytes have to outlive the tokenizer.
  /// Errors: patterns that are none. Cost: that of the patterns; nothing depends on the vocabulary's size.
  static Result<Tokenizer> make(const VocabularyView &vocabulary);

  const VocabularyView &vocabulary() const { return view; }

  /// The tokens of `text`, which may be any bytes. User-defined tokens are found first, then the rest is encoded.
  /// Bytes for which the vocabulary has no token become its unknown token, or nothing if it has none.
  /// Errors: a pattern of the pre-tokenizer runs out of its limits.
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options = {}) const;

private:
  Tokenizer(const VocabularyView &view, Splitter splitter) : view(view), splitter(std::move(splitter)), marked(view) {}

  VocabularyView view;
  Splitter splitter;
  MarkedTokens marked;
};

} // namespace kvasir

#endif
