// SPDX-License-Identifier: MIT
// Plays the sequences of calls of a case, and compares what comes out.
#ifndef KVASIR_TESTS_COREML_CASES_PLAYER_H
#define KVASIR_TESTS_COREML_CASES_PLAYER_H

#include "runtime/imported/program.h"
#include "tests/coreml/cases/expectation.h"

#include <memory>

namespace kvasir::coreml_cases {

/// Compiles packages of a folder, each once, by kvasir-compile run as a program.
class Packages {
public:
  /// `backend` empty: the compiler's default.
  Packages(std::filesystem::path folder, std::string backend);

  enum class Proof { wanted, waived };

  /// The compiled package at `path` of the folder. With Proof::wanted a package that is refused is compiled
  /// unverified, and `refusal` is set to what was said. Throws std::runtime_error with the compiler's first lines if it
  /// compiles in no way.
  const imported::PluginProgram &open(const std::string &path, Proof proof, std::string &refusal);

  /// The same program in the opaque form of its functions; null if they have no other. After `open`.
  const imported::PluginProgram *findOpaque(const std::string &path) const;

  /// Why calls of programs with two forms did not take the raised one, since this was asked last; each reason once.
  std::set<std::string> takeReasons();

  /// Where a package is; throws std::runtime_error for a path that leads out of the folder.
  std::filesystem::path pathOf(const std::string &path) const;

private:
  struct Compiled {
    std::unique_ptr<imported::PluginProgram> program; ///< null if it compiles in no way
    std::unique_ptr<imported::PluginProgram> opaque;  ///< null if its functions have one form
    std::string refusal;
  };

  Compiled compile(const std::string &path, Proof proof) const;

  const std::filesystem::path folder;
  const std::string backend;
  std::map<std::string, Compiled> compiled;
};

/// What was done and what went wrong.
struct Tally {
  uint64_t numSequences = 0, numCalls = 0, numTensors = 0, numRowMaps = 0, numRaised = 0;
  std::vector<std::string> failures; ///< one line each

  void add(const Tally &other);
};

/// The sequences of one case. Goes on with the next sequence after a step that went wrong.
class Player {
public:
  /// `expected` is the case's file; `blobs` what its tensors lie in. All outlive the player.
  Player(Packages &packages, const Json &expected, const std::vector<uint8_t> &blobs)
      : packages(packages), expected(expected), blobs(blobs) {}

  Tally play();

private:
  struct Held {
    const imported::PluginProgram *program;
    State state;
  };

  const imported::PluginProgram &programOf(const Json &step);
  void playStep(const Json &step);
  void playCall(const Json &step);
  void fork(const Json &step);
  Held &find(const std::string &name);
  Held goOnIn(const imported::PluginProgram &program, Held &held) const;
  void compareOutputs(const Json &step, const imported::Tensors &outputs);
  void compareStates(const Json &step, const imported::PluginProgram &program, State &state);
  void compareRowMaps(const Json &step, const imported::PluginProgram &program, State &before,
                      const imported::Tensors &inputs);
  void expectFailure(const Json &step, const imported::PluginProgram &program, Held &held,
                     const imported::Tensors &inputs);
  std::optional<imported::RowAxes> axesOf(const std::string &state, const std::vector<uint64_t> &dims) const;

  Packages &packages;
  const Json &expected;
  const std::vector<uint8_t> &blobs;
  std::map<std::string, Held> states;
  Tally tally;
};

} // namespace kvasir::coreml_cases

#endif
