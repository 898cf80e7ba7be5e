// SPDX-License-Identifier: MIT
// A fuzzer's bytes as a file, without a disk.
#ifndef KVASIR_TESTS_FUZZ_MEMORY_FILE_H
#define KVASIR_TESTS_FUZZ_MEMORY_FILE_H

#include "plugins/file_io.h"

#include <cstdlib>
#include <span>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace kvasir::test {

/// One file, whose contents are replaced again and again.
class MemoryFile {
public:
  MemoryFile() : file(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (!file)
      std::abort();
  }

  void fill(std::span<const uint8_t> bytes) {
    if (ftruncate(file.get(), 0) != 0 || !writeFully(file.get(), 0, bytes))
      std::abort();
  }

  /// A descriptor of its own for whoever closes it.
  FileDescriptor open() const { return FileDescriptor(dup(file.get())); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(file.get()); }

private:
  FileDescriptor file;
};

} // namespace kvasir::test

#endif
