// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/weights_file.h"

#include "compiler/frontends/bytes/cursor.h"

namespace kvasir::coreml {
namespace {

// Source: Core ML's MLModelBlobStorage, version 2.
constexpr uint32_t kVersion = 2;
constexpr uint64_t kHeaderBytes = 64, kAlignment = 64;
constexpr uint32_t kSentinel = 0xdeadbeef;

Failure ofBlob(uint64_t offset, const std::string &what) {
  return {"weight file: the blob at offset " + std::to_string(offset) + " " + what};
}

} // namespace

std::optional<uint64_t> packedBytes(Element element, uint64_t numElements) {
  uint64_t bits;
  if (__builtin_mul_overflow(numElements, uint64_t(facts(element).bits), &bits) || bits > uint64_t(INT64_MAX))
    return std::nullopt;
  return (bits + 7) / 8;
}

Result<WeightsFile> WeightsFile::open(const std::string &path) {
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped)
    return Failure{"weight file: " + mapped.message()};
  Result<WeightsFile> file = parse(mapped->bytes());
  if (file)
    file->mapping.push_back(std::move(*mapped));
  return file;
}

Result<WeightsFile> WeightsFile::parse(std::span<const uint8_t> bytes) {
  Cursor cursor(bytes);
  const std::optional<uint32_t> count = cursor.read<uint32_t>(), version = cursor.read<uint32_t>();
  if (!count || !version || bytes.size() < kHeaderBytes)
    return Failure{"weight file: is cut short in its header"};
  if (*version != kVersion)
    return Failure{"weight file: has version " + std::to_string(*version) + "; version 2 is read"};
  WeightsFile file;
  file.bytes = bytes;
  return file;
}

Result<std::span<const uint8_t>> WeightsFile::find(uint64_t offset, Element element, uint64_t numElements) const {
  if (offset < kHeaderBytes || offset % kAlignment != 0 || offset > bytes.size())
    return ofBlob(offset, "is not there: the file has " + std::to_string(bytes.size()) +
                              " bytes, and blobs begin at multiples of 64 behind the first");
  Cursor cursor(bytes.subspan(offset));
  const std::optional<uint32_t> sentinel = cursor.read<uint32_t>(), type = cursor.read<uint32_t>();
  const std::optional<uint64_t> size = cursor.read<uint64_t>(), place = cursor.read<uint64_t>();
  if (!place)
    return ofBlob(offset, "is cut short");
  if (*sentinel != kSentinel)
    return ofBlob(offset, "is none: its metadata does not begin with 0xdeadbeef");
  if (*type != facts(element).blobNumber)
    return ofBlob(offset, "has elements of type number " + std::to_string(*type) + "; the program says " +
                              std::string(facts(element).name));
  const std::optional<uint64_t> due = packedBytes(element, numElements);
  if (due != *size)
    return ofBlob(offset, "has " + std::to_string(*size) + " bytes; the program's type takes " +
                              (due ? std::to_string(*due) : "more than there can be"));
  if (*place > bytes.size() || *size > bytes.size() - *place)
    return ofBlob(offset, "lies outside the file");
  return bytes.subspan(*place, *size);
}

} // namespace kvasir::coreml
