// SPDX-License-Identifier: MIT
#include "tests/conformance/crash.h"
#include "tests/conformance/sequences.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>
#include <future>
#include <sstream>

namespace conformance {

void Report::fail(const std::string &name, const std::string &what) {
  ++numFailures;
  std::printf("%s %s\n", name.c_str(), what.c_str());
}

void Report::countFate(const std::string &reason) {
  ++(reason.empty() ? numTaken : numDeclined);
  if (!reason.empty())
    ++reasons[reason];
}

namespace {

std::string textOf(const std::filesystem::path &path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

} // namespace

void Kit::compileReference(const Pair &pair) const {
  const std::filesystem::path kept = references / pair.source.filename();
  if (std::filesystem::exists(pair.reference) && textOf(kept) == textOf(pair.source))
    return;
  reference.compile(pair.source, pair.reference);
  std::filesystem::copy_file(pair.source, kept, std::filesystem::copy_options::overwrite_existing);
}

std::filesystem::path Kit::write(const std::string &name, const std::string &program) const {
  const std::filesystem::path source = folder / (name + ".mlir");
  nowRuns(name);
  std::ofstream(source) << program;
  return source;
}

Kit::Fates Kit::explain(const std::filesystem::path &source) {
  Fates fates = tested.explain(source);
  for (const auto &[function, ops] : fates)
    for (const Json &fate : ops)
      if (fate.contains("reason") || fate.contains("kernel")) // upstream's are nobody's to take
        declined.note(fate.at("op"), fate.value("reason", ""));
  return fates;
}

Kit::Pair Kit::compile(const std::filesystem::path &source) {
  const std::string name = source.stem();
  Pair pair{source, references / (name + ".reference.kvasir"), folder / (name + ".kvasir")};
  auto compiled = std::async(std::launch::async, [&] { compileReference(pair); });
  tested.compile(pair.source, pair.tested);
  compiled.get();
  return pair;
}

void Kit::countFate(const std::string &name, const std::string &reason) {
  report.countFate(reason);
  const std::string wrong = reason.empty() ? declined.checkTaken(name) : declined.checkDeclined(name, reason);
  if (!wrong.empty())
    report.fail(name, wrong);
}

void Kit::countStateFates(const std::string &name, const std::vector<Json> &fates) {
  for (const Json &fate : fates)
    if (const std::string op = fate.at("op"); op.starts_with("kv."))
      countFate(op.substr(op.find('.') + 1) + name.substr(name.find('.')), fate.value("reason", ""));
}

namespace {

struct Options {
  std::string backend, compiler, declined, work, references, programs = KVASIR_PROGRAMS, only;
  std::string activations;
  bool isLong = false, isOfFates = false;
};

void addOptions(CLI::App &app, Options &options) {
  app.add_option("--backend", options.backend, "Its name, or the path of its library")->required();
  app.add_option("--activations", options.activations, "As kvasir-compile takes it");
  app.add_option("--declined", options.declined, "The list of what it declines; without it nothing is held against it");
  app.add_option("--compiler", options.compiler, "kvasir-compile (default: the one beside this program)");
  app.add_option("--programs", options.programs, "The folder of programs with state");
  app.add_option("--work", options.work, "A folder to keep what is compiled (default: a temporary one)");
  app.add_option("--references", options.references,
                 "A folder where reference's plugins are kept, for other runs with the same kvasir-compile");
  app.add_option("--only", options.only, "Cases whose names have this in them");
  app.add_flag("--fates", options.isOfFates, "Hold the list against what becomes of each op, and run nothing");
  app.add_flag("--long", options.isLong, "More numbers of tokens, longer conversations");
}

void printSummary(const Report &report) {
  std::printf("ops: %lu cases ran, %lu compared bit by bit with other batches and teams\n", report.numOpCases,
              report.numBitChecks);
  std::printf("functions: %lu taken, %lu declined and decomposed, %lu of ops that may be fused\n", report.numTaken,
              report.numDeclined, report.numFused);
  for (const auto &[reason, count] : report.reasons)
    std::printf("  %lu declined: %s\n", count, reason.c_str());
  std::printf("state: %lu sequences ran; %lu calls refused as they must be\n", report.numSequences, report.numErrors);
  std::printf("the largest difference is %.2f of its tolerance (%s)\n", report.worst, report.worstCase.c_str());
  std::printf("%lu failures\n", report.failures());
}

int run(const Options &options, const std::filesystem::path &folder) {
  const std::filesystem::path self = std::filesystem::canonical("/proc/self/exe").parent_path();
  const std::string compiler = options.compiler.empty() ? (self / "kvasir-compile").string() : options.compiler;
  std::vector<std::string> arguments;
  if (!options.activations.empty())
    arguments = {"--activations", options.activations};
  const std::filesystem::path references(options.references.empty() ? (folder / "reference").string()
                                                                    : options.references);
  std::filesystem::create_directories(folder);
  std::filesystem::create_directories(references);
  Kit kit{{compiler, "reference", {}},
          {compiler, options.backend, arguments},
          folder,
          references,
          options.programs,
          options.only,
          options.isLong,
          options.isOfFates,
          DeclinedList(options.declined),
          {}};
  const auto attempt = [&](const std::string &name, const auto &part) {
    try {
      part();
    } catch (const std::exception &error) {
      kit.report.fail(name, error.what());
    }
  };
  for (const Family &family : opFamilies())
    attempt(family.name, [&] { runOps(kit, family); });
  attempt("attention", [&] { runAttention(kit); });
  attempt("rows", [&] { runRows(kit); });
  attempt("programs", [&] { runPrograms(kit); });
  if (options.only.empty())
    for (const std::string &line : kit.declined.mistakes())
      kit.report.fail("the list", line);
  printSummary(kit.report);
  return kit.report.failures() ? 1 : 0;
}

} // namespace
} // namespace conformance

int main(int argc, char **argv) try {
  CLI::App app("Runs the kit that every backend must pass.", "kvasir-conformance");
  conformance::Options options;
  addOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ); // what was found before a crash is not lost
  conformance::nameCrashes();
  std::string made = (std::filesystem::temp_directory_path() / "conformance-XXXXXX").string();
  if (options.work.empty() && !mkdtemp(made.data()))
    throw std::runtime_error(made + ": cannot be made");
  const int status = conformance::run(options, options.work.empty() ? made : options.work);
  if (options.work.empty())
    std::filesystem::remove_all(made);
  return status;
} catch (const std::exception &error) {
  std::fprintf(stderr, "kvasir-conformance: %s\n", error.what());
  return 1;
}
