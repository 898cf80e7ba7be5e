// SPDX-License-Identifier: MIT
// Where a command takes its tokens from.
#ifndef KVASIR_RUNTIME_TOOLS_PROMPT_H
#define KVASIR_RUNTIME_TOOLS_PROMPT_H

#include "kvasir/kvasir.hpp"

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace kvasir::tools {

/// -p TEXT, -f FILE or --ids 1,2,3: exactly one.
struct PromptOptions {
  std::string text, file, ids;
  bool parsesSpecial = false;
  const CLI::Option *textGiven = nullptr, *fileGiven = nullptr, *idsGiven = nullptr;
};

void addPromptOptions(CLI::App &command, PromptOptions &options);

/// Was any way chosen?
bool isPromptGiven(const PromptOptions &options);

/// The prompt's tokens, of a text with those that the model wants around one where `ends` says so. Says on standard
/// error if it has spellings of control tokens that are not read as such. Throws Misused unless one way was chosen,
/// Failed for an unreadable file or no tokens at all.
std::vector<int32_t> promptIds(const Model &model, const PromptOptions &options, TextEnds ends = TextEnds::added);

/// The whole file, or standard input for "-". Throws Failed with the system's reason.
std::string readText(const std::string &path);

/// Whole numbers, separated by commas or white space. Throws Misused with the option's name.
std::vector<int64_t> parseNumbers(const std::string &text, const std::string &option, int64_t min, int64_t max);

} // namespace kvasir::tools

#endif
