// SPDX-License-Identifier: MIT
#include "tests/unit/tools/ran.h"

#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

namespace kvasir::test {
namespace {

std::string takeFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::remove(path.c_str());
  return text;
}

} // namespace

Ran run(const std::string &line) {
  setenv("KVASIR", KVASIR_TOOL, 1);
  setenv("TOY", KVASIR_TOY, 1);
  const std::string base = "/tmp/kvasir-ran-" + std::to_string(getpid());
  const int status = std::system(("{ " + line + "\n} >" + base + ".out 2>" + base + ".err").c_str());
  const int exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {exitCode, takeFile(base + ".out"), takeFile(base + ".err")};
}

void checkRefusal(const std::string &line, int exitCode, const std::string &message) {
  CAPTURE(line);
  const Ran ran = run(line);
  CHECK(ran.exitCode == exitCode);
  CHECK(ran.out == "");
  CHECK(ran.err.substr(0, ran.err.find('\n')) == message);
}

} // namespace kvasir::test
