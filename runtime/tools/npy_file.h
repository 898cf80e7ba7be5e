// SPDX-License-Identifier: MIT
// NumPy's .npy files of f32 matrices.
#ifndef KVASIR_RUNTIME_TOOLS_NPY_FILE_H
#define KVASIR_RUNTIME_TOOLS_NPY_FILE_H

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace kvasir::tools {

/// Writes a matrix [rows, columns] row by row. It has its name only when it is whole: until `finish` it is called
/// path.part, and without it nothing is left. A pipe or a device is written as it is.
class NpyFile {
public:
  /// Throws Failed with the system's reason, as the others do.
  NpyFile(const std::string &path, uint64_t rows, uint64_t columns);
  NpyFile(const NpyFile &) = delete;
  ~NpyFile();

  void append(std::span<const float> values);
  void finish();

private:
  void discard();
  void require(bool worked) const;

  const std::string path, partPath;
  std::FILE *file;
};

} // namespace kvasir::tools

#endif
