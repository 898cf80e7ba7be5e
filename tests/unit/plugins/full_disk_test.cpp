// SPDX-License-Identifier: MIT
// A full disk: a clear message, and nothing is left. Needs leave to make a small tmpfs, in a mount namespace of its
// own.
#include "tests/unit/plugins/fixture.h"
#include "tests/unit/small_disk.h"

#include <csignal>
#include <sys/resource.h>

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
