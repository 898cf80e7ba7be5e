// SPDX-License-Identifier: MIT
#include "runtime/imported/subprocess.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace kvasir::imported {
namespace {

[[noreturn]] void fail(const std::string &what, int error) {
  throw std::runtime_error(what + ": " + std::strerror(error));
}

std::string contentOf(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What a child does with its descriptors before it begins.
struct FileActions {
  FileActions() { posix_spawn_file_actions_init(&actions); }
  FileActions(const FileActions &) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&actions); }
  void redirect(int descriptor, const std::string &path) {
    posix_spawn_file_actions_addopen(&actions, descriptor, path.c_str(), O_WRONLY | O_TRUNC, 0);
  }
  posix_spawn_file_actions_t actions;
};

int waitFor(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      fail("can't wait for a program", errno);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

std::string findProgram(const std::string &name) {
  std::error_code error;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / name;
  return access(beside.c_str(), X_OK) == 0 ? beside.string() : name;
}

Ran runProgram(const std::string &program, const std::vector<std::string> &arguments) {
  const TemporaryFile out(".out"), err(".err");
  std::vector<char *> argv = {const_cast<char *>(program.c_str())};
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  FileActions actions;
  actions.redirect(STDOUT_FILENO, out.path());
  actions.redirect(STDERR_FILENO, err.path());
  pid_t child;
  if (const int error = posix_spawnp(&child, program.c_str(), &actions.actions, nullptr, argv.data(), environ))
    fail("can't run " + program, error);
  Ran ran;
  ran.exitCode = waitFor(child);
  ran.out = contentOf(out.path());
  ran.err = contentOf(err.path());
  return ran;
}

TemporaryFile::TemporaryFile(const std::string &ending)
    : name((std::filesystem::temp_directory_path() / ("kvasir-XXXXXX" + ending)).string()) {
  const int file = mkstemps(name.data(), static_cast<int>(ending.size()));
  if (file < 0)
    fail("can't make a file '" + name + "'", errno);
  close(file);
}

TemporaryFile::~TemporaryFile() { unlink(name.c_str()); }

} // namespace kvasir::imported
