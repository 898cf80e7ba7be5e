// SPDX-License-Identifier: MIT
// Does `kvasir run --switch` print what an application gets that moves its state?
//
// usage: switching kvasir FROM.kvasir TO.kvasir
//
// The likeliest tokens after a prompt, where the second plugin goes on after none, one, and some of them.
#include "tests/models/conversations.h"

#include <array>
#include <cstdio>
#include <memory>

using namespace kvasir::test;

namespace {
constexpr uint64_t kTokens = 4;

std::string printed(const std::string &line) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE *)> pipe(popen(line.c_str(), "r"), pclose);
  std::string text;
  for (std::array<char, 256> piece; std::fgets(piece.data(), piece.size(), pipe.get());)
    text += piece.data();
  return text;
}

std::string textOf(const Ids &ids) {
  std::string text;
  for (const int32_t id : ids)
    text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

/// `last` is read by the plugin that chooses what follows it.
Ids generate(const kvasir::Model &from, const kvasir::Model &to, const Ids &prompt, uint64_t switchAfter) {
  kvasir::State state = from.makeState();
  from.predict(state, std::span(prompt).first(prompt.size() - 1), {kvasir::Wanted::none});
  kvasir::Sampler sampler;
  Ids ids;
  for (int32_t last = prompt.back(); ids.size() < kTokens; last = ids.back()) {
    if (ids.size() == switchAfter)
      state = state.moveTo(to);
    const kvasir::Model &model = ids.size() >= switchAfter ? to : from;
    ids.push_back(sampler.sample(model.predict(state, {last}).last()));
  }
  return ids;
}
} // namespace

int main(int argc, char **argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: switching kvasir FROM.kvasir TO.kvasir\n");
    return 2;
  }
  const kvasir::Model from(argv[2], {1}), to(argv[3], {1});
  Random random(5);
  const Ids prompt = randomIds(random, 8, from.facts().vocabulary);
  const std::string line = std::string(argv[1]) + " run " + argv[2] + " -t 1 --ignore-end --print ids -n " +
                           std::to_string(kTokens) + " --ids " + textOf(prompt) + " --switch ";
  int failed = 0;
  for (const uint64_t switchAfter : {0, 1, 2}) {
    const std::string expected = textOf(generate(from, to, prompt, switchAfter)) + "\n";
    const std::string found = printed(line + std::to_string(switchAfter) + ":" + argv[3]);
    failed += found != expected;
    std::printf("after %d tokens: %s", int(switchAfter), found.c_str());
    if (found != expected)
      std::printf("but the application gets %s", expected.c_str());
  }
  return failed;
} catch (const kvasir::Error &error) {
  std::fprintf(stderr, "switching: %s\n", error.what());
  return 1;
}
