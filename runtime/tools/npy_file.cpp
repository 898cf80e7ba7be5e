// SPDX-License-Identifier: MIT
#include "runtime/tools/npy_file.h"

#include "runtime/tools/failed.h"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>

namespace kvasir::tools {
namespace {

/// Version 1.0; the data begins on a multiple of 64. Source: numpy.lib.format.
std::string npyHeader(const std::string &type, const std::vector<uint64_t> &dims) {
  std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? " " : "") + std::to_string(dims[i]) + (i + 1 < dims.size() || i == 0 ? "," : "");
  text += "), }";
  constexpr size_t kPreamble = 10;
  text.append(63 - (kPreamble + text.size()) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 255);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

/// A pipe or a device is written where it is: a rename would put a file in its place.
bool canBeReplaced(const std::string &path) {
  struct stat facts;
  return stat(path.c_str(), &facts) != 0 || S_ISREG(facts.st_mode);
}

} // namespace

NpyFile::NpyFile(const std::string &path, const std::string &type, const std::vector<uint64_t> &dims)
    : path(path), partPath(canBeReplaced(path) ? path + ".part" : path), file(std::fopen(partPath.c_str(), "wb")) {
  require(file);
  const std::string header = npyHeader(type, dims);
  if (std::fwrite(header.data(), 1, header.size(), file) != header.size()) {
    discard();
    require(false);
  }
}

NpyFile::~NpyFile() {
  if (file)
    discard();
}

void NpyFile::discard() {
  std::fclose(file);
  file = nullptr;
  if (partPath != path)
    std::remove(partPath.c_str());
}

void NpyFile::append(std::span<const std::byte> bytes) {
  require(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
}

void NpyFile::finish() {
  require(std::fflush(file) == 0);
  require(partPath == path || std::rename(partPath.c_str(), path.c_str()) == 0);
  std::fclose(file);
  file = nullptr;
}

void NpyFile::require(bool worked) const {
  if (!worked)
    throw Failed("can't write '" + path + "': " + std::strerror(errno));
}

} // namespace kvasir::tools
