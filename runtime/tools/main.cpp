// SPDX-License-Identifier: MIT
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"

#include "kvasir/kvasir.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>

using namespace kvasir::tools;

namespace {

int usageError(const CLI::App &program, const std::string &message) {
  const auto chosen = program.get_subcommands();
  std::fprintf(stderr, "kvasir: %s\nrun with --help for the options\n",
               (chosen.empty() ? message : chosen[0]->get_name() + ": " + message).c_str());
  return kUsage;
}

/// A word that is no command gets the list of those there are; else the parser's own message stands.
std::string explain(const CLI::App &program, const CLI::ParseError &error, int argc, char **argv) {
  if (argc < 2 || argv[1][0] == '-' || !program.get_subcommands().empty())
    return error.what();
  std::string message = "there is no command '" + std::string(argv[1]) + "'; there are";
  for (const CLI::App *command : program.get_subcommands(nullptr))
    message += " " + command->get_name();
  return message;
}

int runProgram(CLI::App &program, int argc, char **argv, const int &exitCode) {
  try {
    program.parse(argc, argv);
    return exitCode;
  } catch (const CLI::ParseError &error) {
    return error.get_exit_code() == 0 ? program.exit(error) : usageError(program, explain(program, error, argc, argv));
  } catch (const Misused &error) {
    return usageError(program, error.what());
  } catch (const kvasir::Error &error) {
    if (error.status() == KV_CANCELLED)
      return kInterrupted;
    std::fprintf(stderr, "kvasir: %s\n", error.what());
  } catch (const std::bad_alloc &) {
    std::fprintf(stderr, "kvasir: out of memory\n");
  } catch (const std::exception &error) {
    std::fprintf(stderr, "kvasir: %s\n", error.what());
  }
  return std::max<int>(exitCode, kFailed); // a command whose 1 says something else has set its own before
}

} // namespace

int main(int argc, char **argv) {
  // A reader that has seen enough ends the program without a word, also where the parent ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);
  CLI::App program{"Runs and looks into models that kvasir-compile made"};
  program.require_subcommand(1);
  program.set_version_flag("--version", std::string("kvasir ") + kvasir_version());
  program.footer("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing could be checked (audit), 130 interrupted; of "
                 "diff 0 equal, 1 different, 2 not compared.");
  int exitCode = kDone;
  addAudit(program, exitCode);
  addBench(program, exitCode);
  addDiff(program, exitCode);
  addInspect(program, exitCode);
  addLogits(program, exitCode);
  addPlan(program, exitCode);
  addProfile(program, exitCode);
  addRun(program, exitCode);
  addTokenize(program, exitCode);
  return runProgram(program, argc, argv, exitCode);
}
