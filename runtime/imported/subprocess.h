// SPDX-License-Identifier: MIT
// Other programs of Kvasir, run as programs.
#ifndef KVASIR_RUNTIME_IMPORTED_SUBPROCESS_H
#define KVASIR_RUNTIME_IMPORTED_SUBPROCESS_H

#include <string>
#include <vector>

namespace kvasir::imported {

struct Ran {
  int exitCode = 0; ///< 128 + the signal if one ended it
  std::string out, err;
};

/// A program of ours: beside the one that is running, else as PATH finds it.
std::string findProgram(const std::string &name);

/// Runs a program with these arguments and waits for it. Throws std::runtime_error if it can't be started.
Ran runProgram(const std::string &program, const std::vector<std::string> &arguments);

/// A file that is gone when this is.
class TemporaryFile {
public:
  /// `ending` is what its name ends in. Throws std::runtime_error.
  explicit TemporaryFile(const std::string &ending);
  TemporaryFile(const TemporaryFile &) = delete;
  ~TemporaryFile();

  const std::string &path() const { return name; }

private:
  std::string name;
};

} // namespace kvasir::imported

#endif
