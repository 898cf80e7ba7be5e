// SPDX-License-Identifier: MIT
#include "plugins/window_writer.h"

#include <algorithm>

namespace kvasir {
namespace {

// A few for each thread that packs. Beyond that the first one is written as it is.
constexpr size_t kMostOpen = 8;

} // namespace

WindowWriter::WindowWriter(NewFile &file, uint64_t begin, uint64_t end)
    : file(file), begin(begin), end(end), isWritten(end / kWindowBytes + 1) {}

Status WindowWriter::put(uint64_t offset, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const uint64_t number = offset / kWindowBytes;
    const auto part = bytes.first(std::min<uint64_t>(bytes.size(), (number + 1) * kWindowBytes - offset));
    if (Status status = putInto(number, offset, part); !status)
      return status;
    bytes = bytes.subspan(part.size());
    offset += part.size();
  }
  return Done{};
}

Status WindowWriter::putInto(uint64_t number, uint64_t offset, std::span<const uint8_t> bytes) {
  Windows::node_type full;
  {
    const std::lock_guard lock(mutex);
    if (isWritten[number])
      return file.put(offset, bytes);
    Window &window = open[number];
    if (window.bytes.empty()) {
      window.missing = endOf(number) - beginOf(number);
      window.bytes.resize(window.missing);
    }
    std::ranges::copy(bytes, window.bytes.begin() + std::ptrdiff_t(offset - beginOf(number)));
    window.missing -= std::min<uint64_t>(window.missing, bytes.size());
    if (window.missing == 0) {
      isWritten[number] = true;
      full = open.extract(number);
    } else if (open.size() > kMostOpen) {
      // Its later bytes wait for the mutex, so that these do not overwrite them.
      isWritten[open.begin()->first] = true;
      return write(open.extract(open.begin()));
    }
  }
  return full ? write(full) : Status(Done{});
}

Status WindowWriter::write(const Windows::node_type &window) {
  return file.put(beginOf(window.key()), window.mapped().bytes);
}

Status WindowWriter::flush() {
  while (!open.empty()) {
    isWritten[open.begin()->first] = true;
    if (Status status = write(open.extract(open.begin())); !status)
      return status;
  }
  return Done{};
}

} // namespace kvasir
