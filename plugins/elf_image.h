// SPDX-License-Identifier: MIT
// A shared object from an untrusted file, as ld.so would see it: what it may not contain is found before ld.so opens
// it.
#ifndef KVASIR_PLUGINS_ELF_IMAGE_H
#define KVASIR_PLUGINS_ELF_IMAGE_H

#include "plugins/result.h"

#include <cstdint>
#include <elf.h>
#include <vector>

namespace kvasir {

/// A run of bytes of the file.
struct FileRange {
  uint64_t offset, size;
};

/// Is [offset, offset + size) inside [0, limit)? No sum can wrap.
constexpr bool liesInside(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

class ElfImage {
public:
  /// Reads the headers of the file's first `size` bytes and holds the segments to the load policy: x86-64, no segment
  /// is writable and executable, none shares a page with another, no executable or unstated stack, no thread-local
  /// storage, no interpreter.
  static Result<ElfImage> open(int fd, uint64_t size);

  /// The body of the one Kvasir note.
  Result<FileRange> findNote() const;

  /// Holds the dynamic table to the load policy: opening the image loads no other library, runs no code, binds no
  /// symbol of the host, and applies only RELATIVE relocations.
  Status checkDynamic() const;

  /// The end of the last byte that ld.so would map.
  uint64_t mappedEnd() const;

private:
  ElfImage(int fd, uint64_t size) : fd(fd), size(size) {}

  Status readHeaders();
  Status checkSegments() const;
  Status checkLoaded(size_t index, uint64_t &nextAddress) const;
  Status checkMapped(size_t index) const;
  Status checkRelro(const Elf64_Phdr &relro) const;
  Status checkTable(const std::vector<Elf64_Dyn> &table) const;
  Status checkRelocations(uint64_t address, uint64_t tableSize) const;
  Result<std::vector<Elf64_Dyn>> dynamicTable() const;

  /// The loaded segment with `flags` whose file part holds memory [address, address + bytes); null if there is none.
  const Elf64_Phdr *segmentOf(uint64_t address, uint64_t bytes, uint32_t flags) const;

  int fd;
  uint64_t size;
  std::vector<Elf64_Phdr> segments;
};

} // namespace kvasir

#endif
