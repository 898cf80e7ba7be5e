// SPDX-License-Identifier: MIT
// Runs a program and keeps what it said.
#ifndef KVASIR_TESTS_UNIT_TOOLS_RAN_H
#define KVASIR_TESTS_UNIT_TOOLS_RAN_H

#include <string>

namespace kvasir::test {

struct Ran {
  int exitCode; ///< 128 + the signal if one ended it
  std::string out, err;
};

/// Runs a line of sh. `KVASIR` and `TOY` in it are set to the tool and the toy plugin's file.
Ran run(const std::string &line);

/// Checks that a line ends with that code, nothing on standard output, and the message first on standard error.
void checkRefusal(const std::string &line, int exitCode, const std::string &message);

} // namespace kvasir::test

#endif
