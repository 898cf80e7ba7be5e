// SPDX-License-Identifier: MIT
#include "runtime/text/tokenizer.h"

#include "runtime/text/merging.h"
#include "runtime/text/utf8.h"

#include <string>

namespace kvasir {

namespace {

/// U+2581, with which SentencePiece writes a space, can't be told from one.
void appendWithSpaces(std::string_view text, std::string &spaced) {
  constexpr std::string_view kSpaceMark = "\u2581";
  for (size_t mark; (mark = text.find(kSpaceMark)) != text.npos; text.remove_prefix(mark + kSpaceMark.size()))
    spaced.append(text.substr(0, mark)) += ' ';
  spaced += text;
}

/// One call of encode.
class Encoder {
public:
  Encoder(const VocabularyView &vocabulary, const Splitter &splitter, const MarkedTokens &marked)
      : vocabulary(vocabulary), splitter(splitter), marked(marked), merging(vocabulary) {}

  Status encode(std::string_view text, ControlTokens control);
  std::vector<TokenId> tokens;

private:
  Status encodePlain(std::string_view text, bool followsToken);
  void encodeWord(std::string_view word);
  void addParts(std::string_view word);
  void emit(const Merging::Part &part);

  const VocabularyView &vocabulary;
  const Splitter &splitter;
  const MarkedTokens &marked;
  Merging merging;
  std::string spaced;
};

Status Encoder::encode(std::string_view text, ControlTokens control) {
  bool followsToken = true; // the beginning of a text gets a space as the text after a token does
  while (!text.empty()) {
    MarkedToken next = marked.findFirst(vocabulary, text, control);
    std::string_view plain = text.substr(0, next.begin);
    if (vocabulary.strips(next.token, Strip::left))
      plain = plain.substr(0, plain.find_last_not_of(kAsciiSpace) + 1);
    if (!plain.empty()) {
      if (Status done = encodePlain(plain, followsToken); !done)
        return done;
      followsToken = false;
    }
    if (next.token == kNoToken)
      break;
    tokens.push_back(next.token);
    followsToken = true;
    text.remove_prefix(next.begin + next.sizeBytes);
    if (vocabulary.strips(next.token, Strip::right))
      text.remove_prefix(std::min(text.size(), text.find_first_not_of(kAsciiSpace)));
  }
  return Done{};
}

Status Encoder::encodePlain(std::string_view text, bool followsToken) {
  if (vocabulary.kind() != TokenizerKind::byteLevel) {
    spaced.assign(followsToken && vocabulary.addsSpacePrefix(), ' ');
    appendWithSpaces(text, spaced);
    text = spaced;
  }
  if (vocabulary.kind() == TokenizerKind::sentencePiece) {
    encodeWord(text);
    return Done{};
  }
  auto words = splitter.split(text);
  if (!words)
    return Failure{words.message()};
  for (std::string_view word : *words)
    encodeWord(word);
  return Done{};
}

void Encoder::encodeWord(std::string_view word) {
  if (vocabulary.takesWholeWords())
    if (TokenId token = vocabulary.find(word); token != kNoToken) {
      tokens.push_back(token);
      return;
    }
  merging.clear();
  addParts(word);
  merging.run();
  merging.forEach([&](const Merging::Part &part) { emit(part); });
}

/// Bytes or characters, whichever merges begin with.
void Encoder::addParts(std::string_view word) {
  bool areBytes = vocabulary.kind() == TokenizerKind::byteLevel;
  while (!word.empty()) {
    std::string_view first = word.substr(0, areBytes ? 1 : firstOfUtf8(word).sizeBytes);
    merging.add({areBytes ? vocabulary.byteSymbol(static_cast<uint8_t>(first[0])) : vocabulary.find(first), first});
    word.remove_prefix(first.size());
  }
}

/// Symbols that are no tokens fall back to the tokens of their bytes.
void Encoder::emit(const Merging::Part &part) {
  auto isToken = [&](TokenId symbol) {
    return symbol != kNoToken && static_cast<uint32_t>(symbol) < vocabulary.numTokens();
  };
  if (isToken(part.symbol)) {
    tokens.push_back(part.symbol);
    return;
  }
  for (char byte : part.text) {
    TokenId symbol = vocabulary.byteSymbol(static_cast<uint8_t>(byte));
    TokenId token = isToken(symbol) ? symbol : vocabulary.special().unk;
    if (token != kNoToken)
      tokens.push_back(token);
  }
}

} // namespace

Result<Tokenizer> Tokenizer::make(const VocabularyView &vocabulary) {
  auto splitter = Splitter::make(vocabulary.patterns());
  if (!splitter)
    return Failure{splitter.message()};
  return Tokenizer(vocabulary, std::move(*splitter));
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  Encoder encoder(view, splitter, marked);
  bool addsEnds = options.ends == SequenceEnds::added;
  SpecialTokens special = view.special();
  if (addsEnds && view.addsBos() && special.bos != kNoToken)
    encoder.tokens.push_back(special.bos);
  if (Status done = encoder.encode(text, options.control); !done)
    return Failure{done.message()};
  if (addsEnds && view.addsEos() && special.eos != kNoToken)
    encoder.tokens.push_back(special.eos);
  return std::move(encoder.tokens);
}

} // namespace kvasir
