// SPDX-License-Identifier: MIT
// Gathers what comes in pieces into writes as large as a huge page.
#ifndef KVASIR_PLUGINS_WINDOW_WRITER_H
#define KVASIR_PLUGINS_WINDOW_WRITER_H

#include "plugins/new_file.h"

#include <map>
#include <mutex>
#include <vector>

namespace kvasir {

/// Writes a part of a file whose bytes come in pieces, roughly in order. The kernel keeps what it is given at once in
/// as large pages as fit: whole windows are mapped as huge pages later, which saves a reader a miss of its TLB every 4
/// KiB.
class WindowWriter {
public:
  static constexpr uint64_t kWindowBytes = 2 << 20; ///< a huge page of x86-64; windows lie on multiples of it

  /// Of bytes [begin, end) of the file, which must outlive it.
  WindowWriter(NewFile &file, uint64_t begin, uint64_t end);

  /// Takes bytes for `offset` of the file. May be called from many threads, for different bytes. They are in the file
  /// after `flush`, or before; what is never put stays zero.
  Status put(uint64_t offset, std::span<const uint8_t> bytes);
  Status flush();

private:
  /// Bytes of one window that are there, and how many are missing.
  struct Window {
    std::vector<uint8_t> bytes;
    uint64_t missing;
  };
  using Windows = std::map<uint64_t, Window>; ///< by number

  uint64_t beginOf(uint64_t number) const { return std::max(begin, number * kWindowBytes); }
  uint64_t endOf(uint64_t number) const { return std::min(end, (number + 1) * kWindowBytes); }
  Status putInto(uint64_t number, uint64_t offset, std::span<const uint8_t> bytes);
  Status write(const Windows::node_type &window);

  NewFile &file;
  const uint64_t begin, end;
  std::mutex mutex;
  Windows open;
  std::vector<bool> isWritten; ///< by number; later bytes go to the file at once
};

} // namespace kvasir

#endif
