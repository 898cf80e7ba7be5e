// SPDX-License-Identifier: MIT
// NumPy's .npy files, written piece by piece.
#ifndef KVASIR_RUNTIME_TOOLS_NPY_FILE_H
#define KVASIR_RUNTIME_TOOLS_NPY_FILE_H

#include "plugins/new_file.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kvasir::tools {

/// Writes a tensor, row-major. It has its name only when it is whole, and without `finish` nothing is left. A pipe or a
/// device is written as it is.
class NpyFile {
public:
  /// `type` is NumPy's name of the elements ("<f4"). Throws Failed with the system's reason, as the others do.
  NpyFile(const std::string &path, const std::string &type, const std::vector<uint64_t> &dims);
  NpyFile(const NpyFile &) = delete;
  ~NpyFile();

  void append(std::span<const std::byte> bytes);
  void finish();

private:
  void require(bool worked) const;

  const std::string path;
  std::unique_ptr<NewFile> made; ///< or:
  std::FILE *file = nullptr;
  uint64_t sizeBytes = 0; ///< so far
};

} // namespace kvasir::tools

#endif
