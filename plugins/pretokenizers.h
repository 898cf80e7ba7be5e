// SPDX-License-Identifier: MIT
// The pre-tokenizers that files name: how a text is cut into words before merges.
#ifndef KVASIR_PLUGINS_PRETOKENIZERS_H
#define KVASIR_PLUGINS_PRETOKENIZERS_H

#include <span>
#include <string_view>

namespace kvasir {

/// What the name of a pre-tokenizer stands for. Patterns are PCRE2's, each applied to the pieces the one before left;
/// what a pattern does not match is a piece too.
struct Pretokenizer {
  std::string_view name;
  std::span<const std::string_view> patterns;
  bool takesWholeWords; // a word that is a token is not built from merges
  bool addsBos;         // unless the file says otherwise
};

/// All that there are, sorted by name.
std::span<const Pretokenizer> pretokenizers();

/// The pre-tokenizer of that name (GGUF's tokenizer.ggml.pre; "" is "default"), or null.
const Pretokenizer *findPretokenizer(std::string_view name);

} // namespace kvasir

#endif
