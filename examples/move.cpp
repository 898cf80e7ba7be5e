// SPDX-License-Identifier: MIT
// A host application that holds two plugins of one model, say an exact and a fast one, and moves a conversation from
// the first to the second in the middle of a text. usage: move A.kvasir B.kvasir "Once upon a time" [TOKENS]
#include <kvasir/kvasir.hpp>

#include <cstdlib>
#include <iostream>

// Prints what the model says next, `tokens` long; `logits` are those of the last token before it, and after it.
static void goOn(const kvasir::Model &model, kvasir::State &state, kvasir::Logits &logits, int tokens,
                 kvasir::Detokenizer &detokenizer) {
  kvasir::Sampler sampler;
  for (; tokens > 0; --tokens) {
    const int32_t id = sampler.sample(logits.last());
    std::cout << detokenizer.push(id) << std::flush;
    logits = model.predict(state, {id});
  }
}

int main(int argc, char **argv) try {
  if (argc < 4) {
    std::cerr << "usage: move A.kvasir B.kvasir TEXT [TOKENS]\n";
    return 2;
  }
  auto first = kvasir::Model(argv[1]), second = kvasir::Model(argv[2]);
  const int tokens = argc > 4 ? std::atoi(argv[4]) : 32;
  kvasir::Detokenizer detokenizer(first, KVASIR_CONTINUES);

  auto state = first.makeState();
  auto logits = first.predict(state, first.tokenize(argv[3]));
  goOn(first, state, logits, tokens / 2, detokenizer);

  uint64_t roundedSlots; // those that the second stores with fewer bits
  auto moved = state.moveTo(second, &roundedSlots);
  std::cout << "|" << std::flush;
  goOn(second, moved, logits, tokens - tokens / 2, detokenizer);
  std::cout << detokenizer.finish() << "\n"
            << state.length() << " tokens in the first state, " << moved.length() << " in the second; " << roundedSlots
            << " slots were rounded\n";
} catch (const kvasir::Error &error) {
  std::cerr << "move: " << error.what() << " (" << kvasir_status_name(error.status()) << ")\n";
  return 1;
}
