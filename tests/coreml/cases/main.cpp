// SPDX-License-Identifier: MIT
// kvasir-coreml-cases: Core ML packages with expected outputs, states, written rows and verdicts, a folder of them.
#include "tests/coreml/cases/forms.h"
#include "tests/coreml/cases/player.h"
#include "tests/coreml/cases/verdict.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

namespace kvasir::coreml_cases {
namespace {

struct Options {
  std::filesystem::path folder;
  std::string backend;
  std::vector<std::string> only, checks = {"calls", "verdicts", "deletions", "forms"};
  size_t shown = 5;
  bool isVerbose = false;
  uint64_t numFormCalls = 60;

  bool asks(const char *check) const { return std::ranges::find(checks, check) != checks.end(); }
};

/// The cases of a folder, one after the other.
class Folder {
public:
  explicit Folder(const Options &options)
      : options(options), index(readJson(options.folder / "index.json")), packages(options.folder, options.backend) {
    if (options.asks("deletions") && std::filesystem::exists(options.folder / "mutations.json"))
      mutations = readJson(options.folder / "mutations.json");
  }

  /// How many cases went wrong.
  size_t run() {
    Tally all;
    size_t numCases = 0, numFailed = 0;
    for (const Json &entry : member(index, "cases")) {
      const std::string name = textOf(entry, "case");
      if (!options.only.empty() && std::ranges::find(options.only, name) == options.only.end())
        continue;
      const Tally tally = runCase(entry, name);
      print(name, tally);
      all.add(tally);
      ++numCases;
      numFailed += !tally.failures.empty();
    }
    if (numCases == 0)
      throw std::runtime_error("no case of '" + options.folder.string() + "' was asked for");
    std::printf(
        "%zu cases: %zu passed, %zu failed; %llu calls, %llu tensors, %llu row maps, %llu verdicts, %llu deleted "
        "writes, %llu raised calls\n",
        numCases, numCases - numFailed, numFailed, count(all.numCalls), count(all.numTensors), count(all.numRowMaps),
        count(numVerdicts), count(numDeleted), count(all.numRaised));
    return numFailed;
  }

private:
  static unsigned long long count(uint64_t number) { return number; }

  Tally runCase(const Json &entry, const std::string &name) {
    Tally tally;
    try {
      const Json expected = readJson(options.folder / "expected" / (name + ".json"));
      const std::string path = textOf(expected.contains("package") ? expected : entry, "package");
      if (options.asks("calls"))
        tally.add(play(expected));
      if (options.asks("verdicts"))
        addLines(tally, "verdict", verdictOf(expected, path));
      if (options.asks("deletions"))
        addLines(tally, "deleted write", unnoticedDeletions(mutations, name, packages.pathOf(path), numDeleted));
      if (options.asks("forms") && !member(expected, "sequences").empty()) // else it compiles in no way
        tally.add(tryForms(path));
    } catch (const std::exception &error) {
      tally.failures.push_back(error.what());
    }
    return tally;
  }

  /// Made up calls, against the opaque form alone.
  Tally tryForms(const std::string &path) {
    Tally tally;
    std::string refusal;
    const imported::PluginProgram &program = packages.open(path, Packages::Proof::wanted, refusal);
    const imported::PluginProgram *opaque = packages.findOpaque(path);
    for (uint32_t seed = 0; opaque && seed < 2; ++seed) {
      const FormsTally forms = compareForms(program, *opaque, seed, options.numFormCalls);
      tally.numRaised += forms.numRaised;
      tally.numCalls += forms.numCalls;
      addLines(tally, "forms", forms.differences);
    }
    return tally;
  }

  Tally play(const Json &expected) {
    std::vector<uint8_t> blobs;
    const std::string blobName = expected.value("blob_file", Json()).is_string() ? textOf(expected, "blob_file") : "";
    if (!blobName.empty() && std::filesystem::path(blobName).filename() == blobName &&
        std::filesystem::exists(options.folder / "expected" / blobName))
      blobs = readBytes(options.folder / "expected" / blobName);
    return Player(packages, expected, blobs).play();
  }

  std::vector<std::string> verdictOf(const Json &expected, const std::string &path) {
    const std::string other = caseComparedWith(expected);
    ++numVerdicts;
    return differencesOfVerdicts(
        expected,
        auditPackage(packages.pathOf(path), other.empty() ? "" : packages.pathOf(pathOfCase(other)), options.backend));
  }

  std::string pathOfCase(const std::string &name) const {
    for (const Json &entry : member(index, "cases"))
      if (textOf(entry, "case") == name)
        return textOf(entry, "package");
    throw std::runtime_error("there is no case '" + name + "' to compare with");
  }

  static void addLines(Tally &tally, const std::string &what, const std::vector<std::string> &lines) {
    for (const std::string &line : lines)
      tally.failures.push_back(what + ": " + line);
  }

  void print(const std::string &name, const Tally &tally) {
    std::printf("%-6s %-32s %llu sequences, %llu calls (%llu raised), %llu tensors, %llu row maps\n",
                tally.failures.empty() ? "ok" : "FAILED", name.c_str(), count(tally.numSequences),
                count(tally.numCalls), count(tally.numRaised), count(tally.numTensors), count(tally.numRowMaps));
    for (size_t i = 0; i < std::min(tally.failures.size(), options.shown); ++i)
      std::printf("         %s\n", tally.failures[i].c_str());
    if (tally.failures.size() > options.shown)
      std::printf("         and %zu more\n", tally.failures.size() - options.shown);
    if (options.isVerbose)
      for (const std::string &reason : packages.takeReasons())
        std::printf("         opaque: %s\n", reason.c_str());
    std::fflush(stdout);
  }

  const Options &options;
  const Json index;
  Json mutations = Json::array();
  Packages packages;
  uint64_t numVerdicts = 0, numDeleted = 0;
};

int run(const Options &options) {
  try {
    return Folder(options).run() == 0 ? 0 : 1;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "kvasir-coreml-cases: %s\n", error.what());
    return 1;
  }
}

} // namespace
} // namespace kvasir::coreml_cases

int main(int argc, char **argv) {
  CLI::App app(
      "Core ML packages against what is expected of them: outputs, states and written rows of each call, what an "
      "audit finds, that each deleted write is noticed, and that both forms of a function do the same.",
      "kvasir-coreml-cases");
  kvasir::coreml_cases::Options options;
  app.add_option("DIR", options.folder, "index.json, expected/, packages/ and, if it is there, mutations.json")
      ->required();
  app.add_option("--backend", options.backend, "that packages are compiled for; the compiler's default without it");
  app.add_option("--only", options.only, "these cases");
  app.add_option("--checks", options.checks, "some of calls, verdicts, deletions, forms; all without it")
      ->delimiter(',')
      ->check(CLI::IsMember({"calls", "verdicts", "deletions", "forms"}));
  app.add_option("--form-calls", options.numFormCalls,
                 "made up calls of packages whose functions have two forms, twice")
      ->capture_default_str();
  app.add_option("--show", options.shown, "how many lines a case that fails gets")->capture_default_str();
  app.add_flag("--verbose", options.isVerbose,
               "why calls did not take the raised form of their function, each reason once");
  app.footer(
      "A line a case, then totals. Exit code 0: all as expected, 1: something is not, 2: wrong usage. kvasir-compile "
      "and kvasir are run as programs: those beside this one, else those on PATH.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return kvasir::coreml_cases::run(options);
}
