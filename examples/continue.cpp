// SPDX-License-Identifier: MIT
// A host application in C++: goes on from a text and prints the words as they come.
// usage: continue MODEL.kvasir "Once upon a time" [TOKENS]
#include <kvasir/kvasir.hpp>

#include <cstdlib>
#include <iostream>

int main(int argc, char **argv) try {
  if (argc < 3) {
    std::cerr << "usage: continue MODEL.kvasir TEXT [TOKENS]\n";
    return 2;
  }
  auto model = kvasir::Model(argv[1]);
  auto state = model.makeState(); // one conversation
  auto logits = model.predict(state, model.tokenize(argv[2]));

  kvasir::Sampler sampler; // the likeliest token; {.temperature = 0.8f, .topP = 0.95f} draws
  kvasir::Detokenizer detokenizer(model, KVASIR_CONTINUES);
  for (int left = argc > 3 ? std::atoi(argv[3]) : 32; left > 0; --left) {
    const int32_t id = sampler.sample(logits.last());
    if (model.isEnd(id))
      break;
    std::cout << detokenizer.push(id) << std::flush;
    logits = model.predict(state, {id});
  }
  std::cout << detokenizer.finish() << "\n" << state.length() << " tokens in the state\n";
} catch (const kvasir::Error &error) {
  std::cerr << "continue: " << error.what() << " (" << kvasir_status_name(error.status()) << ")\n";
  return 1;
}
