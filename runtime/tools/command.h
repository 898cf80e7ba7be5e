// SPDX-License-Identifier: MIT
// What the subcommands of `kvasir` share: exit codes, and how one is added.
#ifndef KVASIR_RUNTIME_TOOLS_COMMAND_H
#define KVASIR_RUNTIME_TOOLS_COMMAND_H

#include <CLI/CLI.hpp>
#include <stdexcept>

namespace kvasir::tools {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kInterrupted = 130 };

/// Something that failed for a reason that a person can do something about; one line.
struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Options that don't go together.
struct Misused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Each adds its subcommand to the program; if that is the one, it runs and sets `exitCode`.
void addBench(CLI::App &program, int &exitCode);
void addInspect(CLI::App &program, int &exitCode);
void addLogits(CLI::App &program, int &exitCode);
void addRun(CLI::App &program, int &exitCode);
void addTokenize(CLI::App &program, int &exitCode);

} // namespace kvasir::tools

#endif
