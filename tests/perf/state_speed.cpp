// SPDX-License-Identifier: MIT
// How fast a conversation is saved and loaded, beside copying the same bytes by read and write within the page cache.
// usage: state_speed MODEL.kvasir FOLDER TOKENS     prints JSON: GB/s of copy, save and load, each the median of rounds
//
// Checksums are part of the time, the disk is not: nothing is brought to it. Each round's files and blocks are new.
#include "runtime/api/handles.h"
#include "runtime/state_file/saved_state.h"

#include "kvasir/kvasir.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <iostream>
#include <unistd.h>

namespace {

constexpr int kRounds = 9;

double secondsOf(const std::function<void()> &work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void require(bool holds, const char *what) {
  if (!holds)
    throw std::runtime_error(std::string(what) + " failed");
}

/// As cp does: pieces of 128 KiB.
void copyFile(const std::string &from, const std::string &to) {
  const kvasir::FileDescriptor source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  const kvasir::FileDescriptor target(open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  require(source && target, "open");
  std::vector<char> piece(128 << 10);
  while (const ssize_t size = read(source.get(), piece.data(), piece.size()))
    require(size > 0 && write(target.get(), piece.data(), size_t(size)) == size, "copying");
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// A conversation of tokens without meaning.
kvasir::State fill(const kvasir::Model &model, uint64_t tokens) {
  kvasir::State state = model.makeState();
  std::vector<int32_t> ids(tokens);
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>((i * 7919 + 13) % (model.facts().vocabulary * 7 / 8));
  model.predict(state, ids, {kvasir::Wanted::none, nullptr});
  return state;
}

struct Times {
  std::vector<double> copy, save, load;
};

void measure(const std::string &modelPath, kvasir::State &state, const std::string &saved, Times &times) {
  const std::string copied = saved + ".copy";
  times.copy.push_back(secondsOf([&] { copyFile(saved, copied); }));
  unlink(copied.c_str());
  times.save.push_back(secondsOf([&] {
    const auto file = kvasir::NewFile::begin(copied);
    require(bool(file), "beginning a file");
    kvasir::runtime::writeState(*state.get()->model, *state.get()->state, **file);
  }));
  const kvasir::Model fresh(modelPath); // with pools that have no block yet
  times.load.push_back(secondsOf([&] { fresh.loadState(saved); }));
}

} // namespace

int main(int argc, char **argv) try {
  if (argc != 4)
    return 2;
  const kvasir::Model model(argv[1]);
  kvasir::State state = fill(model, std::strtoull(argv[3], nullptr, 10));
  const std::string saved = std::string(argv[2]) + "/state-speed-" + std::to_string(getpid()) + ".kvstate";
  state.save(saved);
  const double gigabytes = static_cast<double>(kvasir::runtime::StateFile::open(saved).sizeBytes()) / 1e9;
  Times times;
  for (int round = 0; round < kRounds; ++round)
    measure(argv[1], state, saved, times);
  unlink(saved.c_str());
  std::printf("{\"gigabytes\": %.4f, \"copy\": %.3f, \"save\": %.3f, \"load\": %.3f}\n", gigabytes,
              gigabytes / median(times.copy), gigabytes / median(times.save), gigabytes / median(times.load));
} catch (const std::exception &error) {
  std::cerr << "state_speed: " << error.what() << "\n";
  return 1;
}
