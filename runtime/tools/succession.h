// SPDX-License-Identifier: MIT
// The plugins of one model that a run goes through.
#ifndef KVASIR_RUNTIME_TOOLS_SUCCESSION_H
#define KVASIR_RUNTIME_TOOLS_SUCCESSION_H

#include "kvasir/kvasir.hpp"

#include <memory>
#include <string>
#include <vector>

namespace kvasir::tools {

/// `--switch 32:b.kvasir`.
struct Switch {
  uint64_t tokens;  ///< that are generated before it
  std::string path; ///< of the plugin that chooses those after them
};

/// Throws Misused unless each is NUMBER:FILE, and the numbers rise and stay below `maxTokens`.
std::vector<Switch> parseSwitches(const std::vector<std::string> &given, uint64_t maxTokens);

/// A conversation's plugin now, and those that follow it.
class Succession {
public:
  /// Loads the followers. Throws what loading throws, and Failed if the first one's conversations can't go on with one
  /// of them. `first` outlives it.
  Succession(const Model &first, const std::vector<Switch> &switches, const ModelOptions &options);

  const Model &model() const { return *current; }

  /// Is the token after `numGenerated` the choice of another plugin than this one?
  bool endsAfter(uint64_t numGenerated) const {
    return next < followers.size() && followers[next].tokens == numGenerated;
  }

  /// The conversation in the form of the next plugin, which is model() from now on. Says on standard error what became
  /// of its numbers. Throws what State::moveTo throws; then nothing has changed.
  State goOn(State &state);

private:
  struct Follower {
    uint64_t tokens;
    std::string path;
    std::unique_ptr<const Model> model;
  };

  const Model *current;
  std::vector<Follower> followers;
  size_t next = 0;
};

} // namespace kvasir::tools

#endif
