// SPDX-License-Identifier: MIT
// Calls of any function of a model, with tensors from files and to files.
#ifndef KVASIR_RUNTIME_TOOLS_FUNCTION_CALLS_H
#define KVASIR_RUNTIME_TOOLS_FUNCTION_CALLS_H

#include "kvasir/kvasir.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kvasir::tools {

/// --call, --input and --output as the parser collects them.
struct CallOptions {
  std::vector<std::string> functions, inputs, outputs;
  bool isOpaque = false, isVerbose = false;
};

/// A tensor's name, and what it is made of or written to.
struct NamedText {
  std::string name, text;
};

/// One --call, with the --inputs and --outputs behind it.
struct FunctionCall {
  std::string function;
  std::vector<NamedText> inputs, outputs;
};

void addCallOptions(CLI::App &command, CallOptions &options);

/// The calls in the order of the command line, after it was parsed; empty if there are none. Throws Misused for an
/// input or output in front of the first call, or without a name.
std::vector<FunctionCall> callsOf(const CLI::App &command, const CallOptions &options);

/// Makes the calls one after the other on one state: the one in `stateFile`, if that is there, else an empty one; it is
/// saved to `stateFile`, if one is named, when all calls have succeeded. Names are checked before the first call.
/// Outputs that no file was named for are printed in short if the call names no output at all. `isVerbose` says of each
/// call on standard error which form ran. Throws Failed, and what calls throw.
int runCalls(const std::string &model, const std::string &stateFile, const ModelOptions &options,
             const std::vector<FunctionCall> &calls, const CallOptions &given);

} // namespace kvasir::tools

#endif
