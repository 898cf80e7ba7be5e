// SPDX-License-Identifier: MIT
// Any bytes as text: tokens that exist, and the same text back where every byte has a token. The first byte chooses the
// kind of the vocabulary and the options.
#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"
#include "tests/unit/small_vocabularies.h"

#include <cstdlib>
#include <utility>

using namespace kvasir;

namespace {

/// A tokenizer and the bytes that it reads.
struct Owned {
  explicit Owned(const Vocabulary &vocabulary)
      : bytes(*serialise(vocabulary)), tokenizer(std::move(*Tokenizer::make(*VocabularyView::parse(bytes)))) {}

  const std::vector<uint8_t> bytes;
  const Tokenizer tokenizer;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const Owned owned[] = {Owned(byteLevelVocabulary()), Owned(sentencePieceVocabulary())};
  if (size == 0)
    return 0;
  const Tokenizer &tokenizer = owned[bytes[0] & 1].tokenizer;
  const std::string_view text(reinterpret_cast<const char *>(bytes) + 1, size - 1);
  const auto ids = tokenizer.encode(text, {bytes[0] & 2 ? ControlTokens::parsed : ControlTokens::asText,
                                           bytes[0] & 4 ? SequenceEnds::added : SequenceEnds::omitted});
  if (!ids)
    return 0;
  std::string back;
  Detokenizer detokenizer(tokenizer.vocabulary(), {ControlText::shown, TextStart::continuation});
  for (const TokenId id : *ids) {
    if (id < 0 || static_cast<uint32_t>(id) >= tokenizer.vocabulary().numTokens())
      std::abort();
    detokenizer.push(id, back);
  }
  detokenizer.finish(back);
  return 0;
}
