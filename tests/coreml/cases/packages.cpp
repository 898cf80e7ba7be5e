// SPDX-License-Identifier: MIT
#include "tests/coreml/cases/player.h"

#include "runtime/imported/subprocess.h"

namespace kvasir::coreml_cases {
namespace {

/// What a program said, on one line.
std::string firstLines(std::string text) {
  constexpr size_t kMostBytes = 400;
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  if (text.size() > kMostBytes)
    text = text.substr(0, kMostBytes) + "…";
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n'))
    text.replace(at, 1, " | ");
  return text;
}

} // namespace

Packages::Packages(std::filesystem::path folder, std::string backend)
    : folder(std::move(folder)), backend(std::move(backend)) {}

std::filesystem::path Packages::pathOf(const std::string &path) const {
  const std::filesystem::path relative(path);
  bool leadsOut = relative.empty() || relative.is_absolute();
  for (const auto &part : relative)
    leadsOut |= part == "..";
  if (leadsOut)
    throw std::runtime_error("package '" + path + "' is not in the folder");
  return folder / relative;
}

Packages::Compiled Packages::compile(const std::string &path, Proof proof) const {
  const imported::TemporaryFile plugin(".kvasir");
  std::vector<std::string> arguments = {pathOf(path).string(), "-o", plugin.path()};
  if (!backend.empty())
    arguments.insert(arguments.end(), {"--backend", backend});
  Compiled made;
  imported::Ran ran{1, "", ""};
  if (proof == Proof::wanted)
    ran = imported::runProgram(imported::findProgram("kvasir-compile"), arguments);
  if (ran.exitCode != 0) {
    made.refusal = firstLines(ran.err);
    arguments.push_back("--unverified");
    ran = imported::runProgram(imported::findProgram("kvasir-compile"), arguments);
  }
  if (ran.exitCode == 0)
    made.program = std::make_unique<imported::PluginProgram>(plugin.path());
  else
    made.refusal = firstLines(ran.err);
  if (made.program && made.program->hasForms())
    made.opaque = std::make_unique<imported::PluginProgram>(plugin.path(), Wish::opaque);
  return made;
}

const imported::PluginProgram &Packages::open(const std::string &path, Proof proof, std::string &refusal) {
  auto found = compiled.find(path);
  if (found == compiled.end())
    found = compiled.emplace(path, compile(path, proof)).first;
  refusal = found->second.refusal;
  if (!found->second.program)
    throw std::runtime_error("does not compile: " + refusal);
  return *found->second.program;
}

const imported::PluginProgram *Packages::findOpaque(const std::string &path) const {
  const auto found = compiled.find(path);
  return found == compiled.end() ? nullptr : found->second.opaque.get();
}

std::set<std::string> Packages::takeReasons() {
  std::set<std::string> all;
  for (auto &[path, each] : compiled)
    if (each.program)
      all.merge(each.program->takeReasons());
  return all;
}

} // namespace kvasir::coreml_cases
