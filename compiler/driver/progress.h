// SPDX-License-Identifier: MIT
#ifndef KVASIR_DRIVER_PROGRESS_H
#define KVASIR_DRIVER_PROGRESS_H

#include "llvm/ADT/StringRef.h"

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

namespace kvasir {

/// How far a compilation is: a line on the terminal, rewritten in place; nothing where standard error is no terminal.
/// It also keeps the time of each step.
class Progress {
public:
  Progress();
  ~Progress();

  /// Ends the step before and begins one.
  void begin(llvm::StringRef step);

  /// Says how much of the present step is done, 0 to 1. May be called from many threads, often.
  void advance(double fraction);

  /// Ends the last step and clears the line.
  void end();

  struct Step {
    std::string name;
    double timeMs;
  };
  const std::vector<Step> &steps() const { return done; }
  double totalMs() const;

private:
  using Clock = std::chrono::steady_clock;

  void draw(double fraction);
  void finishStep();

  bool isShown;
  std::mutex mutex;
  std::string current;
  std::vector<Step> done;
  Clock::time_point began, stepBegan, drawn;
};

} // namespace kvasir

#endif
