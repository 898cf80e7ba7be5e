// SPDX-License-Identifier: MIT
#include "runtime/text/detokenizer.h"

#include "runtime/text/utf8.h"

namespace kvasir {

Detokenizer::Detokenizer(const VocabularyView &vocabulary, DecodeOptions options)
    : vocabulary(vocabulary), options(options),
      dropsSpace(vocabulary.addsSpacePrefix() && options.start == TextStart::beginning) {}

void Detokenizer::push(TokenId token, std::string &text) {
  if (token < 0 || static_cast<uint32_t>(token) >= vocabulary.numTokens())
    return;
  TokenType type = vocabulary.type(token);
  bool isControl = type == TokenType::control || type == TokenType::unknown;
  if (isControl && options.control == ControlText::hidden) {
    dropsSpace = vocabulary.addsSpacePrefix() && (dropsSpace || options.start == TextStart::beginning);
    return;
  }
  std::string_view bytes = vocabulary.text(token);
  if (isControl || type == TokenType::userDefined) {
    dropsSpace = vocabulary.addsSpacePrefix(); // the tokenizer puts a space after each of these
  } else {
    if (dropsSpace && bytes.starts_with(' '))
      bytes.remove_prefix(1);
    dropsSpace = false;
  }
  held += bytes;
  release(text);
}

void Detokenizer::release(std::string &text) {
  std::string_view rest = held;
  while (!rest.empty()) {
    Utf8Step step = firstOfUtf8(rest);
    if (step.kind == Utf8::incomplete)
      break;
    text += step.kind == Utf8::character ? rest.substr(0, step.sizeBytes) : kReplacementCharacter;
    rest.remove_prefix(step.sizeBytes);
  }
  held.erase(0, held.size() - rest.size());
}

void Detokenizer::finish(std::string &text) {
  if (!held.empty())
    text += kReplacementCharacter;
  held.clear();
  options.start = TextStart::beginning;
  dropsSpace = vocabulary.addsSpacePrefix();
}

} // namespace kvasir
