// SPDX-License-Identifier: MIT
// Are the steps that a compiled model says it passes those of its graph? Each op of the graph must be in a step, and
// each step that it is in must be passed as often in a call as the graph has the op: once a layer. usage: profiled
// MODEL.kvasir
#include "plugins/plugin_file.h"
#include "runtime/api/handles.h" // before kvasir.hpp, whose names are those of what handles hold
#include "runtime/diff/graph.h"
#include "runtime/profile/trace.h"

#include "kvasir/kvasir.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>

using namespace kvasir::runtime;

namespace {

/// An op and its place; a layer's number stands where the place has one.
using Op = std::pair<std::string, std::string>;

template <typename T> T orThrow(kvasir::Result<T> result) {
  if (!result)
    throw std::runtime_error(result.message());
  return std::move(*result);
}

/// A change of shape takes no time, and positions are an array of the call's.
bool isWork(const std::string &op) {
  return op != "tensor.expand_shape" && op != "tensor.collapse_shape" && op != "kv.positions";
}

std::string starLayer(std::string place) {
  const size_t at = place.find("blk.");
  const size_t end = at == std::string::npos ? at : place.find('.', at + 4);
  return end == std::string::npos ? place : place.replace(at + 4, end - at - 4, "*");
}

std::map<Op, uint64_t> countOps(const diff::FunctionGraph &graph) {
  std::map<Op, uint64_t> counts;
  for (const diff::Step &step : graph.steps)
    if (isWork(step.op))
      ++counts[{step.op, starLayer(step.place)}];
  return counts;
}

/// How often each op was passed: the sum over the steps that it is in.
std::map<Op, uint64_t> countPasses(const kvasir::StepTable &table, const kvasir::VariantSteps &variant,
                                   const profile::ExecuteTimes &execute) {
  std::map<Op, uint64_t> counts;
  for (size_t i = 0; i < variant.steps.size(); ++i)
    for (const uint32_t op : variant.steps[i].ops)
      if (const uint64_t passes = execute.steps[i + 1].passes)
        counts[{table.ops[op].op, starLayer(table.ops[op].place)}] += passes;
  return counts;
}

/// Whether the op was passed as often as the graph has it. A norm that several ops take may be done by each of their
/// kernels for itself.
bool isPassed(const Op &op, uint64_t inGraph, uint64_t passed) {
  return passed == inGraph || (op.first == "lm.rms_norm" && passed > 0 && passed % inGraph == 0);
}

/// Takes are of the rows that a call wants: the compiler adds some where it takes early.
int compare(const std::map<Op, uint64_t> &wanted, const std::map<Op, uint64_t> &found, size_t tokens) {
  int numWrong = 0;
  const auto say = [&](const Op &op, uint64_t inGraph, uint64_t passed) {
    std::printf("call of %zu tokens: %s %s is %llu times in the graph, passed %llu times\n", tokens, op.first.c_str(),
                op.second.c_str(), static_cast<unsigned long long>(inGraph), static_cast<unsigned long long>(passed));
    ++numWrong;
  };
  for (const auto &[op, count] : wanted)
    if (const auto at = found.find(op);
        op.first != "lm.take" && (at == found.end() || !isPassed(op, count, at->second)))
      say(op, count, at == found.end() ? 0 : at->second);
  for (const auto &[op, count] : found)
    if (op.first != "lm.take" && !wanted.contains(op))
      say(op, 0, count);
  return numWrong;
}

} // namespace

int main(int argc, char **argv) try {
  if (argc != 2)
    return 2;
  const auto file = orThrow(kvasir::PluginFile::open(argv[1]));
  const auto steps = orThrow(file.section("steps"));
  const auto table = orThrow(kvasir::stepsFromJson({reinterpret_cast<const char *>(steps.data()), steps.size()}));
  const auto graphs = orThrow(diff::readGraphs(orThrow(file.section("graph"))));
  const kvasir::Model model(argv[1], {2});
  Model &inner = *model.get()->model;
  const auto variant = std::ranges::find(table.variants, inner.variant(), &kvasir::VariantSteps::variant);
  if (variant == table.variants.end())
    throw std::runtime_error("no steps of variant " + inner.variant());
  const auto state = inner.makeState(0);
  profile::Trace trace(variant->steps.size());
  int numWrong = 0;
  for (const size_t tokens : {9, 1}) {
    CallRequest request;
    request.states = {state.get()};
    request.counts = {tokens};
    request.observer = &trace;
    std::vector<float> logits(inner.description().model.vocabularySize);
    predict(inner, std::move(request), std::vector<int32_t>(tokens, 1), logits.data());
    const auto executes = trace.take();
    numWrong += compare(countOps(graphs.front()), countPasses(table, *variant, executes.at(0)), tokens);
  }
  std::printf("%s: %zu steps, %zu ops\n", numWrong ? "WRONG" : "as the graph", variant->steps.size(), table.ops.size());
  return numWrong ? 1 : 0;
} catch (const std::exception &error) {
  std::cerr << "profiled: " << error.what() << "\n";
  return 1;
}
