// SPDX-License-Identifier: MIT
// GGUF files: metadata, tensor table, vocabulary, and weights of every format brought to normal form.
#include "compiler/frontends/gguf/vocabulary.h"
#include "compiler/frontends/gguf/weights.h"

#include <algorithm>

using namespace kvasir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const auto file = gguf::File::parse({bytes, size});
  if (!file)
    return 0;
  for (const auto &[key, value] : file->metadata())
    (void)value.summary(), (void)value.asStrings(), (void)value.asIntegers(), (void)value.asReals();
  if (const auto vocabulary = gguf::vocabularyOf(*file))
    if (const auto section = serialise(*vocabulary))
      (void)VocabularyView::parse(*section);
  const gguf::FileWeights weights(*file);
  for (const std::string_view name : weights.names())
    if (const auto tensor = weights.find(name); tensor && tensor->columns <= 4096)
      for (uint64_t row = 0; row < std::min<uint64_t>(tensor->rows, 4); ++row) {
        WeightRow normal(tensor->form, tensor->columns);
        tensor->unpack(tensor->rowBytes(row).data(), normal);
      }
  return 0;
}
