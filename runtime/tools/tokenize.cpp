// SPDX-License-Identifier: MIT
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/output.h"
#include "runtime/tools/prompt.h"

#include "kvasir/kvasir.hpp"

#include <CLI/CLI.hpp>
#include <memory>

namespace kvasir::tools {
namespace {

struct TokenizeOptions {
  std::string model, text, file;
  bool printsIds = false, addsEnds = false, parsesSpecial = false;
  const CLI::Option *textGiven = nullptr, *fileGiven = nullptr;
};

/// One token a line, its text with what can't be seen escaped.
std::string tokenLine(const Model &model, int32_t id) {
  Detokenizer detokenizer(model, KVASIR_SHOW_SPECIAL | KVASIR_CONTINUES);
  std::string text(detokenizer.push(id));
  text += detokenizer.finish();
  std::string line = std::to_string(id) + "\t'";
  for (const char c : text)
    line += c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : std::string(1, c);
  return line + "'\n";
}

int tokenize(const TokenizeOptions &options) {
  if (options.textGiven->count() && options.fileGiven->count())
    throw Misused("give TEXT or -f FILE, not both");
  const Model model(options.model, {1, Pinning::off});
  const std::string text =
      options.textGiven->count() ? options.text : readText(options.fileGiven->count() ? options.file : "-");
  const auto ids = model.tokenize(text, options.addsEnds ? TextEnds::added : TextEnds::omitted,
                                  options.parsesSpecial ? Special::parsed : Special::asText);
  std::string output;
  for (const int32_t id : ids)
    output += options.printsIds ? (output.empty() ? "" : ",") + std::to_string(id) : tokenLine(model, id);
  printNow(options.printsIds ? output + "\n" : output);
  return kDone;
}

} // namespace

void addTokenize(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand("tokenize", "Text to tokens, as the model sees it");
  auto options = std::make_shared<TokenizeOptions>();
  command->add_option("model", options->model, "a .kvasir file")->required();
  options->textGiven = command->add_option("text", options->text, "the text; without it, standard input");
  options->fileGiven = command->add_option("-f,--file", options->file, "a file with the text; - for standard input");
  command->add_flag("--ids", options->printsIds, "print ids only, on one line, as `kvasir run --ids` takes them");
  command->add_flag("--ends", options->addsEnds,
                    "add the tokens that the model wants around a whole text, as `run` does");
  command->add_flag("--special", options->parsesSpecial, "spellings of control tokens in the text mean the tokens");
  command->callback([=, &exitCode] { exitCode = tokenize(*options); });
}

} // namespace kvasir::tools
