// SPDX-License-Identifier: MIT
// What it costs to branch and to undo.
// usage: branch_speed MODEL.kvasir TOKENS     prints JSON: medians of a fork and of a truncate in us, a fork's memory
// in KB
#include "kvasir/kvasir.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <malloc.h>

namespace {

constexpr int kRounds = 1001;

template <typename Work> double microsecondsOf(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

/// A conversation of tokens without meaning.
kvasir::State fill(const kvasir::Model &model, uint64_t tokens) {
  kvasir::State state = model.makeState();
  std::vector<int32_t> ids(tokens);
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>(i * 7919 % model.facts().vocabulary);
  model.predict(state, ids, {kvasir::Wanted::none, nullptr});
  return state;
}

} // namespace

int main(int argc, char **argv) try {
  if (argc != 3)
    return 2;
  const kvasir::Model model(argv[1]);
  const uint64_t tokens = std::stoul(argv[2]);
  kvasir::State state = fill(model, tokens);
  std::vector<double> forks, truncates;
  std::vector<kvasir::State> branches; // all of them at once: none is made of what another gave back
  branches.reserve(kRounds);
  const size_t before = mallinfo2().uordblks;
  for (int round = 0; round < kRounds; ++round)
    forks.push_back(microsecondsOf([&] { branches.push_back(state.fork()); }));
  const double bytes = static_cast<double>(mallinfo2().uordblks - before) / kRounds;
  for (int round = 0; round < kRounds; ++round)
    truncates.push_back(microsecondsOf([&] { branches[round].truncate(round * tokens / kRounds); }));
  std::printf("{\"fork_us\": %.2f, \"fork_kb\": %.2f, \"truncate_us\": %.2f}\n", median(forks), bytes / 1e3,
              median(truncates));
} catch (const std::exception &error) {
  std::cerr << "branch_speed: " << error.what() << "\n";
  return 1;
}
