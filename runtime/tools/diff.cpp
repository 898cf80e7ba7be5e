// SPDX-License-Identifier: MIT
#include "runtime/diff/diff.h"
#include "plugins/plugin_file.h"
#include "runtime/api/handles.h" // before kvasir.hpp, whose names are those of what handles hold
#include "runtime/tools/api_errors.h"
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/output.h"
#include "runtime/tools/prompt.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

namespace kvasir::tools {
namespace {

struct DiffCommand {
  std::string a, b;
  PromptOptions prompt;
  uint64_t chunk = 0;
  uint32_t threads = 0;
  bool comparesOps = false, printsJson = false;
};

/// What the compiler wrote down of the plugin's ops and norms; nothing if it was made by others.
runtime::diff::Given given(const Model &model, const std::string &path) {
  const auto refuse = [&](const std::string &why) { return Failed("'" + path + "': " + why); };
  auto opened = PluginFile::open(path);
  if (!opened)
    throw refuse(opened.message());
  const auto file = std::make_shared<const PluginFile>(std::move(*opened));
  if (file->manifest().weights_size != model.get()->weightsBytes)
    throw refuse("became another file while it was read");
  runtime::diff::Given plugin{*model.get()->model, path, {}, {}};
  if (std::ranges::any_of(file->sections(),
                          [](const kv_section &each) { return each.name == std::string_view("graph"); })) {
    const auto bytes = file->section("graph");
    if (!bytes)
      throw refuse(bytes.message());
    auto graphs = runtime::diff::readGraphs(*bytes);
    if (!graphs)
      throw refuse(graphs.message());
    plugin.graphs = std::move(*graphs);
  }
  auto norms = runtime::diff::findNorms(file);
  if (!norms)
    throw refuse(norms.message());
  plugin.norms = std::move(*norms);
  return plugin;
}

/// As cmp(1) and diff(1): 1 says that they differ, and nothing else.
int diff(const DiffCommand &command) {
  const Interrupt interrupt;
  const ModelOptions options{command.threads, Pinning::automatic, Unverified::take};
  const Model a(command.a, options), b(command.b, options);
  runtime::diff::DiffOptions diffOptions;
  if (isPromptGiven(command.prompt))
    diffOptions.ids = promptIds(a, command.prompt);
  diffOptions.chunkTokens = command.chunk;
  diffOptions.comparesOps = command.comparesOps;
  diffOptions.cancel = &interrupt.cancel().get()->flag;
  const auto report = withApiErrors([&] { return runDiff(given(a, command.a), given(b, command.b), diffOptions); });
  printNow(command.printsJson ? report.json() + "\n" : report.text());
  return report.areEqual() ? kDone : kFailed;
}

} // namespace

void addDiff(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand(
      "diff", "Do two plugins compute the same, and if not, which row of the state is the first to differ?");
  auto options = std::make_shared<DiffCommand>();
  command->add_option("a", options->a, "a .kvasir file")->required();
  command->add_option("b", options->b, "another .kvasir file with the same slots")->required();
  addPromptOptions(*command, options->prompt);
  command->add_option("--chunk", options->chunk, "tokens of a call of the prompt; 0: all at once")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command->add_flag("--ops", options->comparesOps,
                    "compare each op alone, too, with A's inputs; both compiled with kvasir-compile --probe");
  command->add_option("-t,--threads", options->threads, "0: one for each core")->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->printsJson, "print JSON");
  command->footer(
      "Without a prompt, tokens are made up. Exit code 0: equal, to the bit or within rounding; 1: different "
      "for another reason, the last line says where; 2: they could not be compared.");
  command->callback([=, &exitCode] {
    exitCode = kNotCompared;
    exitCode = diff(*options);
  });
}

} // namespace kvasir::tools
