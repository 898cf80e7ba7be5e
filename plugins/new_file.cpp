// SPDX-License-Identifier: MIT
#include "plugins/new_file.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir {
namespace {

constexpr int kMaxLinks = 40; // as Linux

std::string directoryOf(const std::string &path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

/// Beside the file, so that a rename is enough; unlike any other of this process, so that two threads may write one
/// file.
std::string temporaryName(const std::string &path) {
  static std::atomic<uint32_t> count{0};
  return path + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(count.fetch_add(1));
}

/// Where a link leads, or the path itself.
std::string followLinks(std::filesystem::path path) {
  std::error_code error;
  for (int link = 0; link < kMaxLinks && std::filesystem::is_symlink(path, error); ++link)
    path = path.parent_path() / std::filesystem::read_symlink(path, error);
  return path.string();
}

} // namespace

Failure NewFile::failure(const std::string &why) const { return {"cannot write '" + path + "': " + why}; }

Failure NewFile::systemFailure() const {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT)
    return failure(std::string("the disk is full (") + std::strerror(error) + "), the file needs " +
                   std::to_string(sizeBytes) + " bytes");
  return failure(std::strerror(error));
}

Result<std::unique_ptr<NewFile>> NewFile::begin(const std::string &path) {
  std::unique_ptr<NewFile> made(new NewFile(path));
  if (Status status = made->create(); !status)
    return Failure{status.message()};
  return made;
}

NewFile::~NewFile() {
  if (!unfinishedPath.empty())
    unlink(unfinishedPath.c_str());
}

Status NewFile::create() {
  target = followLinks(path);
  struct stat facts;
  const bool replaces = stat(path.c_str(), &facts) == 0;
  if (!replaces && errno == ELOOP)
    return systemFailure();
  if (replaces && !S_ISREG(facts.st_mode))
    return failure("it is there already and is no regular file");
  // A file without a name is gone when its process is, however that ends. It gets its name through /proc.
  const bool canBeNamed = access("/proc/self/fd", X_OK) == 0;
  if (canBeNamed)
    file = FileDescriptor(open(directoryOf(target).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
  if (!file) {
    if (canBeNamed && errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
      return systemFailure();
    const std::string name = temporaryName(target);
    unlink(name.c_str());
    file = FileDescriptor(open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666));
    if (!file)
      return systemFailure();
    unfinishedPath = name;
  }
  if (replaces && fchmod(file.get(), facts.st_mode & 0777) != 0)
    return systemFailure();
  return Done{};
}

Status NewFile::reserve(uint64_t size) {
  announce(size);
  if (ftruncate(file.get(), off_t(size)) != 0)
    return systemFailure();
  if (size && fallocate(file.get(), 0, 0, off_t(size)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    return systemFailure();
  return Done{};
}

Status NewFile::put(uint64_t offset, std::span<const uint8_t> bytes) {
  if (!writeFully(file.get(), offset, bytes))
    return systemFailure();
  return Done{};
}

Status NewFile::publish() {
  if (fsync(file.get()) != 0)
    return systemFailure();
  if (unfinishedPath.empty()) {
    // linkat can't replace a file, rename can: the name in between lives for an instant.
    const std::string name = temporaryName(target);
    const std::string self = "/proc/self/fd/" + std::to_string(file.get());
    unlink(name.c_str());
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return systemFailure();
    unfinishedPath = name;
  }
  if (rename(unfinishedPath.c_str(), target.c_str()) != 0)
    return systemFailure();
  unfinishedPath.clear();
  return syncDirectory();
}

/// Without it a crash of the machine could bring the old file back, or none.
Status NewFile::syncDirectory() const {
  const FileDescriptor directory(open(directoryOf(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory && fsync(directory.get()) != 0 && errno != EINVAL && errno != EROFS)
    return systemFailure();
  return Done{};
}

} // namespace kvasir
