// SPDX-License-Identifier: MIT
#include "runtime/api/model_text.h"

#include "runtime/state/error.h"

#include <algorithm>

namespace kvasir::runtime {

const Tokenizer &ModelText::tokenizer() {
  constexpr std::string_view kSection = "tokenizer";
  const std::lock_guard lock(mutex);
  if (made)
    return *made;
  const auto &sections = file.sections();
  if (std::ranges::none_of(sections, [&](const kv_section &section) { return section.name == kSection; }))
    throw Error(KV_UNSUPPORTED, "this model has no vocabulary; pass token ids");
  auto section = file.section(kSection);
  if (!section)
    throw Error(KV_BAD_FILE, section.message());
  bytes = std::move(*section);
  const auto view = VocabularyView::parse(bytes);
  if (!view)
    throw Error(KV_BAD_FILE, view.message());
  auto tokenizer = Tokenizer::make(*view);
  if (!tokenizer)
    throw Error(KV_BAD_FILE, tokenizer.message());
  made.emplace(std::move(*tokenizer));
  return *made;
}

} // namespace kvasir::runtime
