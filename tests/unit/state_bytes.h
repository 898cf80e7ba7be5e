// SPDX-License-Identifier: MIT
// The bytes of .kvstate files, to be changed by tests that know the format.
#ifndef KVASIR_TESTS_UNIT_STATE_BYTES_H
#define KVASIR_TESTS_UNIT_STATE_BYTES_H

#include "runtime/state_file/checksum.h"
#include "runtime/state_file/format.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace kvasir::test {

using Bytes = std::vector<uint8_t>;

template <typename T> T valueAt(const Bytes &bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename T> void putAt(Bytes &bytes, uint64_t offset, const T &value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// Where line `index` of the section table is.
constexpr uint64_t sectionOffset(uint64_t index) {
  return sizeof(runtime::state_format::Header) + index * sizeof(runtime::state_format::Section);
}

inline runtime::state_format::Section sectionAt(const Bytes &bytes, uint64_t index) {
  return valueAt<runtime::state_format::Section>(bytes, sectionOffset(index));
}

/// Makes the header's checksums right again, whatever they are over: a file that only its contents can give away.
inline void repairHead(Bytes &bytes) {
  using runtime::state_format::Header;
  if (bytes.size() < sizeof(Header))
    return;
  auto header = valueAt<Header>(bytes, 0);
  header.fileBytes = bytes.size();
  if (header.rowsOffset >= sizeof header && header.rowsOffset <= bytes.size())
    header.metadataChecksum =
        runtime::checksumOf(std::span(bytes).subspan(sizeof header, header.rowsOffset - sizeof header));
  putAt(bytes, 0, header);
  header.checksum = runtime::checksumOf(std::span(bytes).first(offsetof(Header, checksum)));
  putAt(bytes, 0, header);
}

/// The same and the checksums of all blocks of a file whose slots have blocks of these sizes.
inline void repairAll(Bytes &bytes, std::span<const uint64_t> blockBytes) {
  using namespace runtime::state_format;
  const auto liesInside = [&](uint64_t offset, uint64_t size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
  };
  if (!liesInside(sectionOffset(0), (kNumMetadataSections + blockBytes.size()) * sizeof(Section)))
    return;
  const Section sums = sectionAt(bytes, kNumMetadataSections - 1);
  uint64_t sum = 0;
  for (size_t slot = 0; slot < blockBytes.size(); ++slot) {
    const Section rows = sectionAt(bytes, kNumMetadataSections + slot);
    for (uint64_t at = 0; at < rows.sizeBytes / blockBytes[slot]; ++at, ++sum) {
      const uint64_t block = rows.offset + at * blockBytes[slot];
      if (block < rows.offset || !liesInside(block, blockBytes[slot]) || sum >= sums.sizeBytes / sizeof sum ||
          !liesInside(sums.offset, sums.sizeBytes))
        break;
      putAt(bytes, sums.offset + sum * sizeof sum,
            runtime::checksumOf(std::span(bytes).subspan(block, blockBytes[slot])));
    }
  }
  repairHead(bytes);
}

} // namespace kvasir::test

#endif
