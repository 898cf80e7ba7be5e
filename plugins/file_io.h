// SPDX-License-Identifier: MIT
// Descriptors that close themselves; reads and writes that don't stop halfway.
#ifndef KVASIR_PLUGINS_FILE_IO_H
#define KVASIR_PLUGINS_FILE_IO_H

#include <cstdint>
#include <span>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace kvasir {

/// What errno says.
std::string systemError();

/// Owns a file descriptor.
class FileDescriptor {
public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd(fd) {}
  FileDescriptor(FileDescriptor &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  FileDescriptor &operator=(FileDescriptor &&other) noexcept {
    std::swap(fd, other.fd);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd; }
  explicit operator bool() const { return fd >= 0; }

private:
  int fd = -1;
};

/// Memory for a copy of a file's bytes, in huge pages where the system has some. MAP_FAILED (errno) if there is none;
/// munmap ends it.
inline void *mapForCopy(uint64_t size) {
  void *bytes = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes != MAP_FAILED)
    madvise(bytes, size, MADV_HUGEPAGE);
  return bytes;
}

/// Fills `bytes` from the file's `offset`. False at the end of the file or an error (errno).
bool readFully(int fd, uint64_t offset, std::span<uint8_t> bytes);

/// Writes all bytes at `offset`. False on an error (errno).
bool writeFully(int fd, uint64_t offset, std::span<const uint8_t> bytes);

} // namespace kvasir

#endif
