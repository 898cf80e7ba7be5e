// SPDX-License-Identifier: MIT
// A full disk: a clear message, and nothing is left. Needs leave to make a small tmpfs, in a mount namespace of its
// own.
#include "tests/unit/plugins/fixture.h"

#include <csignal>
#include <cstdio>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::test;

namespace {

/// Writes 4 MiB of weights and says what went wrong.
std::string writeLarge(const std::string &path, const Bytes &image) {
  auto writer = ArtefactWriter::begin(path, image, {}, 4 << 20);
  if (!writer)
    return writer.message();
  for (uint64_t at = 0; at < 4 << 20; at += 1 << 16)
    if (Status status = (*writer)->write(at, Bytes(1 << 16, 1)); !status)
      return status.message();
  Status status = (*writer)->finish();
  return status ? "" : status.message();
}

/// Runs `work` in a child process and returns the line that it returned.
std::string inChild(const std::function<std::string()> &work) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr); // else the child could write it once more
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string text = work();
    const bool whole = write(ends[1], text.data(), text.size()) == ssize_t(text.size());
    _exit(whole ? 0 : 1);
  }
  close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t size = read(ends[0], text.data(), text.size());
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  text.resize(size_t(std::max<ssize_t>(size, 0)));
  return text;
}

constexpr const char *kNoLeave = "no leave to mount a tmpfs: run the test as root, or allow user namespaces";

/// May mount from here on, without others seeing it.
bool enterOwnNamespace() { return unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0; }

/// Makes an empty disk of 1 MiB the current folder. It is attached to no path, so it needs no leave to change one: in a
/// chroot "/" may be no mount.
bool enterSmallDisk() {
  const int context = enterOwnNamespace() ? fsopen("tmpfs", 0) : -1;
  if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0) != 0 ||
      fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return false;
  const int disk = fsmount(context, 0, 0);
  return disk >= 0 && fchdir(disk) == 0;
}

/// Hides /proc.
bool coverProc() {
  const auto makePrivate = [](const char *path) { return mount("none", path, nullptr, MS_REC | MS_PRIVATE, nullptr); };
  return enterOwnNamespace() && (makePrivate("/") == 0 || makePrivate("/proc") == 0) &&
         mount("none", "/proc", "tmpfs", 0, "size=1m") == 0;
}

bool hasFileLike(const std::filesystem::path &folder, const std::string &prefix) {
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    if (entry.path().string().starts_with(prefix))
      return true;
  return false;
}

} // namespace

TEST_CASE("a full disk") {
  const Bytes image = readBytes(builtPlugin("plain_plugin"));
  const std::string said = inChild([&]() -> std::string {
    if (!enterSmallDisk())
      return kNoLeave;
    const std::string message = writeLarge("a.kvasir", image);
    return std::filesystem::is_empty(".") ? message : "something is left";
  });
  CHECK_MESSAGE(said.find("cannot write 'a.kvasir': the disk is full (No space left on device), the file needs 4") == 0,
                said);
}

TEST_CASE("without /proc the file has a name from the start, and is gone if it is not finished") {
  TemporaryFolder folder;
  const Bytes image = readBytes(builtPlugin("plain_plugin"));
  const std::string path = folder.file("a.kvasir");
  const std::string said = inChild([&]() -> std::string {
    if (!coverProc())
      return kNoLeave;
    {
      auto writer = ArtefactWriter::begin(path, image, {}, 0);
      if (!writer || !hasFileLike(folder.path, path + ".tmp-" + std::to_string(getpid()) + "-"))
        return "no file with a name";
    }
    if (!std::filesystem::is_empty(folder.path))
      return "something is left";
    auto writer = ArtefactWriter::begin(path, image, {}, 1000);
    if (!writer)
      return writer.message();
    Status status = (*writer)->finish();
    return status ? "finished" : status.message();
  });
  CHECK_MESSAGE(said == "finished", said);
  CHECK(std::filesystem::file_size(path) > 1000);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("a limit on the size of files") {
  TemporaryFolder folder;
  const Bytes image = readBytes(builtPlugin("plain_plugin"));
  const std::string path = folder.file("a.kvasir");
  const std::string said = inChild([&]() -> std::string {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1 << 20, 1 << 20};
    return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? writeLarge(path, image) : "no limit";
  });
  CHECK_MESSAGE(said == "cannot write '" + path + "': File too large", said);
  CHECK(std::filesystem::is_empty(folder.path));
}
