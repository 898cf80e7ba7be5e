// SPDX-License-Identifier: MIT
// A file's tokenizer section: damaged contents give wrong answers, never an access outside of the bytes.
#include "runtime/text/detokenizer.h"
#include "runtime/text/tokenizer.h"

using namespace kvasir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const auto view = VocabularyView::parse({bytes, size});
  if (!view)
    return 0;
  std::string text;
  Detokenizer detokenizer(*view, {ControlText::shown, TextStart::beginning});
  for (TokenId id = -1; id < 300; ++id) {
    (void)view->type(id), (void)view->score(id), (void)view->isEnd(id), (void)view->marked(static_cast<uint32_t>(id));
    (void)view->findMerge(id, id + 1), (void)view->find(view->text(id));
    detokenizer.push(id, text);
  }
  detokenizer.finish(text);
  const auto tokenizer = Tokenizer::make(*view);
  if (tokenizer)
    (void)tokenizer->encode("Once upon a time, <|end|> \xc3\xa9\xff 123\n",
                            {ControlTokens::parsed, SequenceEnds::added});
  return 0;
}
