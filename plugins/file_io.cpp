// SPDX-License-Identifier: MIT
#include "plugins/file_io.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace kvasir {

std::string systemError() { return std::strerror(errno); }

FileDescriptor::~FileDescriptor() {
  if (fd >= 0)
    close(fd);
}

bool readFully(int fd, uint64_t offset, std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = pread(fd, bytes.data(), bytes.size(), off_t(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes = bytes.subspan(size_t(count));
    offset += uint64_t(count);
  }
  return true;
}

bool writeFully(int fd, uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), off_t(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes = bytes.subspan(size_t(count));
    offset += uint64_t(count);
  }
  return true;
}

} // namespace kvasir
