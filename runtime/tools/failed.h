// SPDX-License-Identifier: MIT
// How the program ends when it can't do what was asked.
#ifndef KVASIR_RUNTIME_TOOLS_FAILED_H
#define KVASIR_RUNTIME_TOOLS_FAILED_H

#include <stdexcept>

namespace kvasir::tools {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kNotCompared = 2, kInterrupted = 130 };

/// Something that failed for a reason that a person can do something about; one line.
struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Options that don't go together.
struct Misused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

} // namespace kvasir::tools

#endif
