// SPDX-License-Identifier: MIT
// The subcommands of `kvasir`.
#ifndef KVASIR_RUNTIME_TOOLS_COMMAND_H
#define KVASIR_RUNTIME_TOOLS_COMMAND_H

#include <cstdint>

namespace CLI {
class App;
}

namespace kvasir::tools {

/// Of the flag that run and bench have.
constexpr const char *kCopyWeightsHelp =
    "weights in the process's own memory, in huge pages where there are some: a slower start, and up to a twentieth "
    "faster where memory is fast";

// Ranges of options: the parser alone takes -1 for the greatest number that there is.
constexpr int kMostTokens = 1 << 30;
constexpr int64_t kGreatestSeed = INT64_MAX;

// Each adds its subcommand to the program; if that is the one, it runs and sets `exitCode`.
void addAudit(CLI::App &program, int &exitCode);
void addBench(CLI::App &program, int &exitCode);
void addDiff(CLI::App &program, int &exitCode);
void addInspect(CLI::App &program, int &exitCode);
void addLogits(CLI::App &program, int &exitCode);
void addPlan(CLI::App &program, int &exitCode);
void addProfile(CLI::App &program, int &exitCode);
void addRun(CLI::App &program, int &exitCode);
void addTokenize(CLI::App &program, int &exitCode);

} // namespace kvasir::tools

#endif
