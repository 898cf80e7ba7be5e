// SPDX-License-Identifier: MIT
#include "compiler/frontends/bytes/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir {
namespace {

Result<std::span<const uint8_t>> map(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0)
    return Failure{std::strerror(errno)};
  if (!S_ISREG(status.st_mode))
    return Failure{"not a regular file"};
  size_t size = size_t(status.st_size);
  if (size == 0)
    return std::span<const uint8_t>();
  void *address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED)
    return Failure{std::strerror(errno)};
  return std::span(static_cast<const uint8_t *>(address), size);
}

} // namespace

Result<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return Failure{std::strerror(errno)};
  Result<std::span<const uint8_t>> mapping = map(descriptor);
  close(descriptor);
  if (!mapping)
    return Failure{mapping.message()};
  return MappedFile(*mapping);
}

MappedFile::MappedFile(MappedFile &&other) noexcept : mapping(std::exchange(other.mapping, {})) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(mapping, other.mapping);
  return *this;
}

MappedFile::~MappedFile() {
  if (!mapping.empty())
    munmap(const_cast<uint8_t *>(mapping.data()), mapping.size());
}

} // namespace kvasir
