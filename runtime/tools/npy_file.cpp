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

NpyFile::NpyFile(const std::string &path, const std::string &type, const std::vector<uint64_t> &dims) : path(path) {
  if (canBeReplaced(path)) {
    Result<std::unique_ptr<NewFile>> begun = NewFile::begin(path);
    if (!begun)
      throw Failed(begun.message());
    made = std::move(*begun);
  } else {
    file = std::fopen(path.c_str(), "wb");
    require(file);
  }
  const std::string header = npyHeader(type, dims);
  append(std::as_bytes(std::span(header)));
}

NpyFile::~NpyFile() {
  if (file)
    std::fclose(file);
}

void NpyFile::append(std::span<const std::byte> bytes) {
  if (file)
    return require(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
  made->announce(sizeBytes + bytes.size());
  const Status status = made->put(sizeBytes, {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  if (!status)
    throw Failed(status.message());
  sizeBytes += bytes.size();
}

void NpyFile::finish() {
  if (file)
    return require(std::fflush(file) == 0);
  if (const Status status = made->publish(); !status)
    throw Failed(status.message());
}

void NpyFile::require(bool worked) const {
  if (!worked)
    throw Failed("cannot write '" + path + "': " + std::strerror(errno));
}

} // namespace kvasir::tools
