// SPDX-License-Identifier: MIT
// What a person asks of the compiler. No MLIR here: the tool's main includes it.
#ifndef KVASIR_DRIVER_OPTIONS_H
#define KVASIR_DRIVER_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

/// What is written: the plugin, or the program or code at a step on the way.
enum class EmitForm { plugin, kv, lm, llvm, assembly };

struct CompileOptions {
  std::string input;                    ///< .gguf, .mlir or .mlpackage
  std::string output;                   ///< empty or "-": standard output, for text only
  std::string backend = "cpu";          ///< name, or path of a library
  std::vector<std::string> backendPath; ///< folders where a name is looked for first
  std::string activations = "auto";     ///< auto, int8, bf16, exact
  std::string kvType = "auto";          ///< what rows of caches are stored in: auto (the backend's own), bf16, f16
  std::vector<std::string> targets;     ///< variants; empty: native
  EmitForm emit = EmitForm::plugin;
  std::optional<uint64_t> randomWeights; ///< for .mlir: the seed of weights that are made up
  bool vocabularyOnly = false;
  bool probe = false;      ///< each op is a function of its own, too
  bool unverified = false; ///< a Core ML package is compiled though its functions lose state; the plugin says so
  bool report = false;     ///< on a Core ML package's states, instead of compiling
  bool explain = false;    ///< what becomes of each op, instead of compiling
  bool json = false;       ///< the report, or the explanation
  bool printIrAfterChange = false;
  bool verifyEachPass = false;
  bool timing = false;
};

/// Compiles. Returns the process's exit code: 0, or 1 after one line of why on standard error. Nothing but the finished
/// output is left behind, whatever happens.
int runCompiler(const CompileOptions &options);

} // namespace kvasir

#endif
