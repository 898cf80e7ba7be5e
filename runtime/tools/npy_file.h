// SPDX-License-Identifier: MIT
// NumPy's .npy files, written piece by piece.
#ifndef KVASIR_RUNTIME_TOOLS_NPY_FILE_H
#define KVASIR_RUNTIME_TOOLS_NPY_FILE_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace kvasir::tools {

/// Writes a tensor, row-major. It has its name only when it is whole: until `finish` it is called path.part, and
/// without it nothing is left. A pipe or a device is written as it is.
class NpyFile {
public:
  /// `type` is NumPy's name of the elements ("<f4"). Throws Failed with the system's reason, as the others do.
  NpyFile(const std::string &path, const std::string &type, const std::vector<uint64_t> &dims);
  NpyFile(const NpyFile &) = delete;
  ~NpyFile();

  void append(std::span<const std::byte> bytes);
  void finish();

private:
  void discard();
  void require(bool worked) const;

  const std::string path, partPath;
  std::FILE *file;
};

} // namespace kvasir::tools

#endif
