// SPDX-License-Identifier: MIT
// The tokenizer that a GGUF file describes.
#ifndef KVASIR_FRONTENDS_GGUF_VOCABULARY_H
#define KVASIR_FRONTENDS_GGUF_VOCABULARY_H

#include "compiler/frontends/gguf/reader.h"
#include "plugins/vocabulary.h"

namespace kvasir::gguf {

/// Reads the keys tokenizer.*. What they mean, and whether they fit together, `serialise` says.
/// Errors: no tokenizer; a key of the wrong type.
Result<Vocabulary> vocabularyOf(const File &file);

} // namespace kvasir::gguf

#endif
