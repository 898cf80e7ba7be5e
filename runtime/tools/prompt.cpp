// SPDX-License-Identifier: MIT
#include "runtime/tools/prompt.h"

#include "runtime/tools/failed.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

namespace kvasir::tools {
namespace {

size_t numWaysGiven(const PromptOptions &options) {
  return options.textGiven->count() + options.fileGiven->count() + options.idsGiven->count();
}

std::vector<int32_t> textIds(const Model &model, const std::string &text, TextEnds ends, bool parsesSpecial) {
  const std::vector<int32_t> parsed = model.tokenize(text, ends, Special::parsed);
  if (parsesSpecial)
    return parsed;
  std::vector<int32_t> ids = model.tokenize(text, ends, Special::asText);
  if (ids != parsed)
    std::fprintf(stderr, "the text has spellings of control tokens, which are read as plain text; with --special they "
                         "are read as the tokens\n");
  return ids;
}

} // namespace

void addPromptOptions(CLI::App &command, PromptOptions &options) {
  options.textGiven = command.add_option("-p,--prompt", options.text, "the text to go on from");
  options.fileGiven = command.add_option("-f,--file", options.file, "a file with the text; - for standard input");
  options.idsGiven = command.add_option("--ids", options.ids, "token ids instead of text: 1,2,3");
  command.add_flag("--special", options.parsesSpecial, "spellings of control tokens in the text mean the tokens");
}

bool isPromptGiven(const PromptOptions &options) { return numWaysGiven(options) != 0; }

std::vector<int32_t> promptIds(const Model &model, const PromptOptions &options, TextEnds ends) {
  if (numWaysGiven(options) != 1)
    throw Misused("give one of -p TEXT, -f FILE, --ids 1,2,3");
  std::vector<int32_t> ids;
  if (options.idsGiven->count()) {
    for (const int64_t id : parseNumbers(options.ids, "--ids", 0, INT32_MAX))
      ids.push_back(static_cast<int32_t>(id));
  } else {
    const std::string text = options.fileGiven->count() ? readText(options.file) : options.text;
    ids = textIds(model, text, ends, options.parsesSpecial);
  }
  if (ids.empty())
    throw Failed("the prompt is empty, and this model has no token that begins a text");
  return ids;
}

std::string readText(const std::string &path) {
  const auto close = [](std::FILE *file) { file != stdin ? std::fclose(file) : 0; };
  const std::unique_ptr<std::FILE, decltype(close)> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"), close);
  if (!file)
    throw Failed("cannot read '" + path + "': " + std::strerror(errno));
  std::string text;
  char piece[65536];
  while (const size_t size = std::fread(piece, 1, sizeof piece, file.get()))
    text.append(piece, size);
  if (std::ferror(file.get()))
    throw Failed("cannot read '" + path + "': " + std::strerror(errno));
  return text;
}

std::vector<int64_t> parseNumbers(const std::string &text, const std::string &option, int64_t min, int64_t max) {
  std::vector<int64_t> numbers;
  const char *at = text.data(), *end = at + text.size();
  while (true) {
    while (at != end && std::strchr(", \t\r\n", *at))
      ++at;
    if (at == end)
      return numbers;
    int64_t number;
    const auto [next, error] = std::from_chars(at, end, number);
    const bool isWhole = next == end || std::strchr(", \t\r\n", *next);
    if (error != std::errc() || !isWhole || number < min || number > max)
      throw Misused(option + " takes whole numbers from " + std::to_string(min) + " to " + std::to_string(max) +
                    ", separated by commas; found '" + std::string(at, std::find(at, end, ',')) + "'");
    numbers.push_back(number);
    at = next;
  }
}

} // namespace kvasir::tools
