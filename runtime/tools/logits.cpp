// SPDX-License-Identifier: MIT
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/npy_file.h"
#include "runtime/tools/prompt.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

namespace kvasir::tools {
namespace {

// 64 rows of a vocabulary of 150,000 are 40 MB.
constexpr size_t kRowsAtOnce = 64;

struct LogitsOptions {
  std::string model, output;
  PromptOptions prompt;
  uint32_t threads = 0;
};

int writeLogits(const LogitsOptions &options) {
  const Interrupt interrupt;
  const Model model(options.model, {options.threads, Pinning::automatic});
  const auto ids = promptIds(model, options.prompt);
  State state = model.makeState();
  if (ids.size() > state.capacity())
    throw Failed("the prompt is " + std::to_string(ids.size()) + " tokens; the model's context is " +
                 std::to_string(state.capacity()));
  NpyFile file(options.output, "<f4", {ids.size(), model.facts().vocabulary});
  for (size_t first = 0; first < ids.size(); first += kRowsAtOnce) {
    const auto piece = std::span(ids).subspan(first, std::min(kRowsAtOnce, ids.size() - first));
    file.append(std::as_bytes(model.predict(state, piece, {Wanted::all, &interrupt.cancel()}).all()));
  }
  file.finish();
  return kDone;
}

} // namespace

void addLogits(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand("logits", "Writes the logits of every token of a prompt");
  auto options = std::make_shared<LogitsOptions>();
  command->add_option("model", options->model, "a .kvasir file")->required();
  addPromptOptions(*command, options->prompt);
  command->add_option("-o,--output", options->output, "a .npy file: float32 [T, V]")->required();
  command->add_option("-t,--threads", options->threads, "0: one for each core")->check(CLI::Range(0, 1024));
  command->callback([=, &exitCode] { exitCode = writeLogits(*options); });
}

} // namespace kvasir::tools
