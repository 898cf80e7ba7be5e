// SPDX-License-Identifier: MIT
// Do models in one process leave each other alone?
//
// usage: beside A.kvasir B.kvasir... [--if-there MODEL.kvasir...]
//
// Each model runs alone first. Then all are loaded; threads run them at the same time, each with another floating-point
// environment, while the main thread loads and unloads them all again. Each run gives the bits of the one alone, each
// thread keeps its environment, no symbols of plugins and services are seen outside them, and in the end the threads
// are gone.
#include "tests/loading/paths.h"
#include "tests/loading/process.h"

#include "kvasir/kvasir.hpp"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <thread>
#include <xmmintrin.h>

namespace {

constexpr int kRuns = 6, kReloads = 10;
constexpr size_t kPrompt = 160; ///< so many that a service does the products, where a model has one for many rows
// Exceptions masked, and: as usual; denormals flushed; towards zero; down, denormals flushed and taken for zero.
constexpr unsigned kEnvironments[] = {0x1f80, 0x9f80, 0x7f80, 0xbfc0};
constexpr unsigned kFlags = 0x3f; ///< of exceptions that have been; sticky, anybody may set them

std::atomic<int> numFailed{0};

void fail(const std::string &who, const char *what) {
  std::printf("%s: %s\n", who.c_str(), what);
  ++numFailed;
}

/// The logits of a prompt and of single tokens after it.
std::vector<float> converse(const kvasir::Model &model) {
  const uint64_t vocabulary = model.facts().vocabulary;
  std::vector<int32_t> ids(kPrompt);
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = int32_t((i * 7 + 1) % std::min<uint64_t>(vocabulary, 50));
  kvasir::State state = model.makeState();
  kvasir::Logits logits = model.predict(state, ids, {kvasir::Wanted::all});
  std::vector<float> all(logits.all().begin(), logits.all().end());
  for (int32_t id = 0; id < 5; ++id) {
    logits = model.predict(state, {id});
    all.insert(all.end(), logits.all().begin(), logits.all().end());
  }
  return all;
}

bool isSame(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void runBeside(const std::string &path, const kvasir::Model &model, const std::vector<float> &expected,
               unsigned environment) {
  _mm_setcsr(environment);
  for (int run = 0; run < kRuns; ++run) {
    if (!isSame(converse(model), expected))
      fail(path, "gives other bits beside others than alone");
    if ((_mm_getcsr() & ~kFlags) != (environment & ~kFlags))
      fail(path, "changes the caller's floating-point environment");
  }
}

void runTogether(const std::vector<std::string> &paths, const std::vector<std::vector<float>> &alone) {
  std::deque<kvasir::Model> models;
  for (const std::string &path : paths)
    models.emplace_back(path, kvasir::ModelOptions{2});
  std::vector<std::thread> threads;
  for (size_t i = 0; i < paths.size(); ++i)
    threads.emplace_back(runBeside, paths[i], std::cref(models[i]), std::cref(alone[i]),
                         kEnvironments[i % std::size(kEnvironments)]);
  for (int reload = 0; reload < kReloads; ++reload)
    for (size_t i = 0; i < paths.size(); ++i)
      if (!isSame(converse(kvasir::Model(paths[i], {1})), alone[i]))
        fail(paths[i], "gives other bits when it is loaded beside others");
  for (std::thread &thread : threads)
    thread.join();
  for (const char *symbol : {"kvasir_plugin", "kvasir_service", "dnnl_version"})
    if (dlsym(RTLD_DEFAULT, symbol))
      fail("the process", (std::string("sees the symbol ") + symbol).c_str());
}

} // namespace

int main(int argc, char **argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: beside A.kvasir B.kvasir... [--if-there MODEL.kvasir...]\n");
    return 2;
  }
  const std::vector<std::string> paths = pathsOf(1, argc, argv);
  std::vector<std::vector<float>> alone;
  for (const std::string &path : paths)
    alone.push_back(converse(kvasir::Model(path, {2})));
  const uint64_t threadsBefore = numThreads();
  runTogether(paths, alone);
  if (numThreads() != threadsBefore)
    fail("the process", "has other threads than before");
  std::printf("%zu models beside each other: %d faults\n", paths.size(), numFailed.load());
  return numFailed ? 1 : 0;
} catch (const kvasir::Error &error) {
  std::fprintf(stderr, "beside: %s\n", error.what());
  return 1;
}
