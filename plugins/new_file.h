// SPDX-License-Identifier: MIT
// A file that appears under its name whole, or not at all.
#ifndef KVASIR_PLUGINS_NEW_FILE_H
#define KVASIR_PLUGINS_NEW_FILE_H

#include "plugins/file_io.h"
#include "plugins/result.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace kvasir {

/// Stands in for the file of its name until it is published: what was there before stays until then, however the
/// process ends. Failures begin with "cannot write 'path': ".
class NewFile {
public:
  /// Begins an empty file. A symbolic link is followed: the file that it leads to will be replaced, and the link stays.
  /// Fails if something is there that is no regular file, or nothing can be written there.
  static Result<std::unique_ptr<NewFile>> begin(const std::string &path);

  /// Removes what is not published.
  ~NewFile();
  NewFile(const NewFile &) = delete;
  NewFile &operator=(const NewFile &) = delete;

  /// How long the file will be; the message of a full disk says it.
  void announce(uint64_t size) { sizeBytes = size; }

  /// Makes the file `size` bytes of zero and takes the disk's space for them. Announces the size.
  Status reserve(uint64_t size);

  /// Writes bytes. May be called from many threads, for different bytes.
  Status put(uint64_t offset, std::span<const uint8_t> bytes);

  /// Brings the file to the disk and gives it its name, in place of a file that has it. Keeps that file's permissions.
  Status publish();

  int descriptor() const { return file.get(); }
  Failure failure(const std::string &why) const;

private:
  explicit NewFile(std::string path) : path(std::move(path)) {}

  Status create();
  Status syncDirectory() const;
  Failure systemFailure() const;

  std::string path;           ///< as the caller named it
  std::string target;         ///< behind all links
  std::string unfinishedPath; ///< empty while the file has no name
  FileDescriptor file;
  uint64_t sizeBytes = 0; ///< as announced
};

} // namespace kvasir

#endif
