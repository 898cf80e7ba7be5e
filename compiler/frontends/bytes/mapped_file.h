// SPDX-License-Identifier: MIT
// A file's bytes without reading them.
#ifndef KVASIR_FRONTENDS_BYTES_MAPPED_FILE_H
#define KVASIR_FRONTENDS_BYTES_MAPPED_FILE_H

#include "plugins/result.h"

#include <cstdint>
#include <span>
#include <string>

namespace kvasir {

/// A regular file, mapped read-only. A file that another process cuts meanwhile raises SIGBUS, as any mapping does.
class MappedFile {
public:
  /// Errors: what the system says of the path; not a regular file.
  static Result<MappedFile> open(const std::string &path);

  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return mapping; }

private:
  explicit MappedFile(std::span<const uint8_t> mapping) : mapping(mapping) {}

  std::span<const uint8_t> mapping;
};

} // namespace kvasir

#endif
