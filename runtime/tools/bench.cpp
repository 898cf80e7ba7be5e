// SPDX-License-Identifier: MIT
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/machine.h"
#include "runtime/tools/output.h"
#include "runtime/tools/prompt.h"
#include "runtime/tools/work.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

namespace kvasir::tools {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct BenchOptions {
  std::string model;
  std::string promptTokens = "512", decodeTokens = "128", depths = "0", batches = "1", threads;
  unsigned repetitions = 5;
  bool copiesWeights = false;
  bool printsJson = false;
};

/// One line of the result, before it is measured.
struct Test {
  bool isPrefill;
  uint64_t tokens, depth, batch;
};

/// Where a prompt begins, and the step in the middle of decoding.
uint64_t meanDepth(const Test &test) { return test.depth + (test.isPrefill ? 0 : test.tokens / 2); }

/// Multiplies and adds of one run of a prompt, or of a step of decoding.
Ops opsOf(const Test &test, const Work &work) {
  const uint64_t tokens = test.isPrefill ? test.tokens : 1;
  Ops ops = {};
  for (size_t i = 0; i < kNumArithmetics; ++i)
    ops[i] = test.batch * (work.tokenOps[i] * tokens + work.headOps[i]);
  for (const AttentionWork &attention : work.attentions)
    ops[static_cast<size_t>(work.attentionArithmetic)] +=
        test.batch * attention.opsPerPair * rowsSeen(meanDepth(test), tokens, attention.windowTokens);
  return ops;
}

/// Tokens/s that no program with these weights and rows can pass: the slower of reading once and computing all.
double limitOf(const Test &test, const Work &work, const Limits &limits) {
  const uint64_t tokens = test.batch * (test.isPrefill ? test.tokens : 1);
  const auto bytes = static_cast<double>(work.weightBytes(tokens) + test.batch * work.stateBytes(meanDepth(test)));
  const double readTime = limits.readBytesPerSecond > 0 ? bytes / limits.readBytesPerSecond : 0;
  const Ops ops = opsOf(test, work);
  double computeTime = 0;
  for (size_t i = 0; i < kNumArithmetics; ++i)
    if (limits.opsPerSecond[i] > 0)
      computeTime += static_cast<double>(ops[i]) / limits.opsPerSecond[i];
  const double slower = std::max(readTime, computeTime);
  return slower > 0 ? static_cast<double>(tokens) / slower : 0;
}

/// Runs a test once; seconds.
class Runner {
public:
  Runner(const Model &model, uint64_t batch, const Interrupt &interrupt) : model(model), interrupt(interrupt) {
    for (uint64_t i = 0; i < batch; ++i)
      states.push_back(model.makeState());
  }

  double run(const Test &test) {
    const uint64_t vocabulary = model.facts().vocabulary;
    for (State &state : states)
      state.reset();
    if (test.depth > 0)
      append(madeUpIds(test.depth, vocabulary), Wanted::none);
    const auto ids = madeUpIds(test.tokens, vocabulary);
    const auto begin = Clock::now();
    if (test.isPrefill)
      append(ids, Wanted::last);
    else
      for (const int32_t &id : ids)
        append({&id, 1}, Wanted::last);
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

private:
  void append(std::span<const int32_t> ids, Wanted wanted) {
    std::vector<Sequence> sequences;
    for (State &state : states)
      sequences.push_back({state, ids});
    model.predict(sequences, {wanted, &interrupt.cancel()});
  }

  const Model &model;
  const Interrupt &interrupt;
  std::vector<State> states;
};

/// The weights are read between the repetitions, so that both meet the same machine.
Json measure(const Model &model, const Test &test, unsigned repetitions, const Work &work, Limits limits,
             ReadLoop &readLoop, const Interrupt &interrupt) {
  Runner runner(model, test.batch, interrupt);
  // Pages, scratch and caches, by what llama-bench warms up with: a whole prompt, a few tokens of decoding.
  runner.run({test.isPrefill, test.isPrefill ? test.tokens : std::min<uint64_t>(test.tokens, 16), 0, test.batch});
  std::vector<double> times, reads = {readLoop.bytesPerSecond()};
  for (unsigned i = 0; i < repetitions; ++i) {
    times.push_back(runner.run(test));
    reads.push_back(readLoop.bytesPerSecond());
  }
  limits.readBytesPerSecond = medianOf(reads);
  const double speed = static_cast<double>(test.batch * test.tokens) / medianOf(times);
  const double limit = limitOf(test, work, limits);
  return {{"test", test.isPrefill ? "prefill" : "decode"},
          {"tokens", test.tokens},
          {"depth", test.depth},
          {"batch", test.batch},
          {"threads", limits.threads},
          {"tokens_per_s", speed},
          {"limit", limit},
          {"limit_fraction", limit > 0 ? speed / limit : 0},
          {"read_gb_per_s", limits.readBytesPerSecond / 1e9},
          {"barrier_ns", limits.barrierNs}};
}

std::vector<Test> makeTests(const BenchOptions &options) {
  std::vector<Test> tests;
  for (const int64_t batch : parseNumbers(options.batches, "-b", 1, 1024))
    for (const int64_t depth : parseNumbers(options.depths, "-d", 0, INT32_MAX)) {
      for (const int64_t tokens : parseNumbers(options.promptTokens, "-p", 0, INT32_MAX))
        if (tokens > 0)
          tests.push_back({true, uint64_t(tokens), uint64_t(depth), uint64_t(batch)});
      for (const int64_t tokens : parseNumbers(options.decodeTokens, "-n", 0, INT32_MAX))
        if (tokens > 0)
          tests.push_back({false, uint64_t(tokens), uint64_t(depth), uint64_t(batch)});
    }
  return tests;
}

void printLimits(const Limits &limits) {
  printNow(limitsText(limits) + "\n  test     tokens  depth  batch   tokens/s      limit  share\n");
}

void printResult(const Json &result) {
  char line[128];
  std::snprintf(line, sizeof line, "  %-8s %6llu %6llu %6llu %10.1f %10.1f   %.2f\n",
                result["test"].get<std::string>().c_str(), result["tokens"].get<unsigned long long>(),
                result["depth"].get<unsigned long long>(), result["batch"].get<unsigned long long>(),
                result["tokens_per_s"].get<double>(), result["limit"].get<double>(),
                result["limit_fraction"].get<double>());
  printNow(line);
}

int bench(const BenchOptions &options) {
  const Interrupt interrupt;
  const auto tests = makeTests(options);
  if (tests.empty())
    throw Misused("nothing to measure: -p and -n are both 0");
  const Work work = readWork(options.model);
  requirePredicts(work.description);
  auto threads = parseNumbers(options.threads, "-t", 1, 1024);
  if (threads.empty())
    threads = {0};
  Json machine = {{"processor", processorName()}, {"limits", Json::array()}}, results = Json::array();
  for (const int64_t count : threads) {
    const Weights where = options.copiesWeights ? Weights::copied : Weights::mapped;
    const Limits limits = measureLimits(options.model, work, static_cast<uint32_t>(count), where);
    const Model model(
        options.model,
        {.threads = limits.threads, .teamUse = count > 0 ? TeamUse::fixed : TeamUse::adapts, .weights = where});
    ReadLoop readLoop(options.model, work, limits.threads, where);
    machine["limits"].push_back(limitsJson(limits));
    if (!options.printsJson)
      printLimits(limits);
    for (const Test &test : tests) {
      results.push_back(measure(model, test, options.repetitions, work, limits, readLoop, interrupt));
      if (!options.printsJson)
        printResult(results.back());
    }
  }
  if (options.printsJson)
    printNow(Json{{"machine", machine}, {"results", results}}.dump(2) + "\n");
  return kDone;
}

} // namespace

void addBench(CLI::App &program, int &exitCode) {
  CLI::App *command =
      program.add_subcommand("bench", "Speeds beside what this machine can do at most, both measured now");
  auto options = std::make_shared<BenchOptions>();
  command->add_option("model", options->model, "a .kvasir file")->required();
  command->add_option("-p", options->promptTokens, "lengths of prompts; 0: none")->capture_default_str();
  command->add_option("-n", options->decodeTokens, "numbers of tokens decoded; 0: none")->capture_default_str();
  command->add_option("-d", options->depths, "tokens that are there before")->capture_default_str();
  command->add_option("-b", options->batches, "sequences at once")->capture_default_str();
  command->add_option("-t", options->threads,
                      "numbers of threads, which take part in each step; without it one for each core, where no other "
                      "program takes it");
  command->add_option("-r", options->repetitions, "repetitions; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--copy-weights", options->copiesWeights, kCopyWeightsHelp);
  command->add_flag("--json", options->printsJson, "print JSON");
  command->callback([=, &exitCode] { exitCode = bench(*options); });
}

} // namespace kvasir::tools
