// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/input_roles.h"

#include <algorithm>
#include <cctype>

namespace kvasir::coreml {
namespace {

bool mentions(const std::string &name, std::initializer_list<const char *> words) {
  std::string lower;
  for (const char letter : name)
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return std::any_of(words.begin(), words.end(),
                     [&](const char *word) { return lower.find(word) != std::string::npos; });
}

} // namespace

InputRole roleOf(const Value &input) {
  if (input.type.kind != TypeKind::tensor)
    return InputRole::other;
  if (mentions(input.name, {"mask"}))
    return InputRole::mask;
  if (input.type.tensor.element != Element::i32)
    return InputRole::other;
  if (mentions(input.name, {"pos", "offset", "past", "start", "step", "cache_len", "index", "idx"}))
    return InputRole::position;
  const bool isToken = mentions(input.name, {"ids", "token"}) && !mentions(input.name, {"type", "segment"});
  return isToken && !input.type.tensor.dims.empty() ? InputRole::tokens : InputRole::other;
}

std::optional<int64_t> tokensOf(const Function &function) {
  for (ValueId input : function.inputs)
    if (roleOf(function.values[input]) == InputRole::tokens) {
      const int64_t last = function.values[input].type.tensor.dims.back();
      return last == kAnySize ? std::nullopt : std::optional(last);
    }
  return std::nullopt;
}

} // namespace kvasir::coreml
