// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/reader.h"

#include <algorithm>

namespace kvasir::gguf {
namespace {

// Source: the GGUF specification (ggml, docs/gguf.md).
constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kElfMagic = "\177ELF";
constexpr uint32_t kOldestVersion = 2, kNewestVersion = 3;
constexpr uint64_t kLongestName = 65535;
constexpr uint64_t kLeastValueBytes = 8 + 4 + 1;          // length of the key, type, a byte
constexpr uint64_t kLeastTensorBytes = 8 + 4 + 8 + 4 + 8; // length of the name, dimensions, one of them, type, offset
constexpr uint32_t kDefaultAlignment = 32;

Status checkVersion(uint32_t version) {
  if (version >= kOldestVersion && version <= kNewestVersion)
    return Done{};
  if (version == 1)
    return Failure{"is a GGUF file of version 1; versions 2 and 3 are read: convert the model again"};
  if ((version & 0xffff) == 0)
    return Failure{"is a big-endian GGUF file; only little-endian ones are read: convert the model again"};
  return Failure{"is a GGUF file of version " + std::to_string(version) + "; versions 2 and 3 are read"};
}

Failure cutShort(const std::string &what) { return {"is cut short in " + what}; }

/// Bytes of a tensor, or nothing if they do not fit 63 bits.
std::optional<uint64_t> sizeBytes(const Tensor &tensor) {
  uint64_t elements = 1;
  for (uint64_t dim : tensor.dims)
    if (__builtin_mul_overflow(elements, dim, &elements))
      return std::nullopt;
  uint64_t size;
  if (__builtin_mul_overflow(elements / tensor.type->blockElements, uint64_t(tensor.type->blockBytes), &size) ||
      size > uint64_t(INT64_MAX) || elements > uint64_t(INT64_MAX))
    return std::nullopt;
  return size;
}

Failure ofTensor(std::string_view name, const std::string &what) { return {"tensor " + inQuotes(name) + " " + what}; }

} // namespace

Result<File> File::openOne(const std::string &path) {
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped)
    return Failure{mapped.message()};
  Result<File> file = parse(mapped->bytes());
  if (file)
    file->mapping.push_back(std::move(*mapped));
  return file;
}

Result<File> File::parse(std::span<const uint8_t> bytes) {
  Cursor cursor(bytes);
  std::optional<std::span<const uint8_t>> magic = cursor.take(kMagic.size());
  if (magic && std::ranges::equal(*magic, kElfMagic))
    return Failure{"is compiled already: it is an ELF file, as .kvasir files are, no GGUF file; kvasir run takes it"};
  if (!magic || !std::equal(magic->begin(), magic->end(), kMagic.begin()))
    return Failure{"is no GGUF file: it does not begin with 'GGUF'"};
  std::optional<uint32_t> version = cursor.read<uint32_t>();
  if (!version)
    return cutShort("its header");
  if (Status status = checkVersion(*version); !status)
    return Failure{status.message()};
  std::optional<uint64_t> numTensors = cursor.read<uint64_t>();
  std::optional<uint64_t> numValues = cursor.read<uint64_t>();
  if (!numTensors || !numValues)
    return cutShort("its header");

  File file;
  if (Status status = file.readMetadata(cursor, *numValues); !status)
    return Failure{status.message()};
  if (Status status = file.readTensors(cursor, *numTensors); !status)
    return Failure{status.message()};
  if (Status status = file.placeTensors(bytes, cursor.position()); !status)
    return Failure{status.message()};
  return file;
}

Status File::readMetadata(Cursor &cursor, uint64_t count) {
  if (count > cursor.remaining() / kLeastValueBytes)
    return Failure{"claims " + std::to_string(count) + " metadata values, more than it has bytes for"};
  for (uint64_t i = 0; i < count; ++i) {
    std::optional<std::string_view> key = cursor.readString();
    if (!key)
      return cutShort("metadata key " + std::to_string(i));
    if (key->empty() || key->size() > kLongestName)
      return Failure{"has a metadata key of " + std::to_string(key->size()) + " bytes"};
    Result<Value> value = Value::parse(cursor);
    if (!value)
      return Failure{"metadata " + inQuotes(*key) + " can't be read: " + value.message()};
    if (!values.emplace(*key, *value).second)
      return Failure{"has metadata " + inQuotes(*key) + " twice"};
  }
  return Done{};
}

Status File::readTensors(Cursor &cursor, uint64_t count) {
  if (count > cursor.remaining() / kLeastTensorBytes)
    return Failure{"claims " + std::to_string(count) + " tensors, more than it has bytes for"};
  for (uint64_t i = 0; i < count; ++i) {
    Result<Tensor> tensor = readTensor(cursor);
    if (!tensor)
      return Failure{tensor.message()};
    if (!tensorIndices.emplace(tensor->name, table.size()).second)
      return Failure{"has tensor " + inQuotes(tensor->name) + " twice"};
    table.push_back(*tensor);
  }
  return Done{};
}

Result<Tensor> File::readTensor(Cursor &cursor) const {
  std::string place = "the description of tensor " + std::to_string(table.size());
  Tensor tensor{};
  std::optional<std::string_view> name = cursor.readString();
  std::optional<uint32_t> numDims = cursor.read<uint32_t>();
  if (!name || !numDims)
    return cutShort(place);
  if (name->empty() || name->size() > kLongestName)
    return Failure{"has a tensor name of " + std::to_string(name->size()) + " bytes"};
  if (*numDims == 0 || *numDims > tensor.dims.size())
    return ofTensor(*name, "has " + std::to_string(*numDims) + " dimensions; 1 to 4 are expected");
  tensor.name = *name;
  tensor.numDims = *numDims;
  tensor.dims.fill(1);
  for (uint32_t d = 0; d < *numDims; ++d) {
    std::optional<uint64_t> dim = cursor.read<uint64_t>();
    if (!dim)
      return cutShort(place);
    if (*dim == 0)
      return ofTensor(*name, "has a dimension of 0");
    tensor.dims[d] = *dim;
  }
  std::optional<uint32_t> type = cursor.read<uint32_t>();
  std::optional<uint64_t> offset = cursor.read<uint64_t>();
  if (!type || !offset)
    return cutShort(place);
  tensor.type = findTensorType(*type);
  if (!tensor.type)
    return ofTensor(*name, "has type " + std::to_string(*type) + ", which is not known");
  tensor.offsetBytes = *offset; // within the data; placeTensors moves it
  return tensor;
}

Status File::placeTensors(std::span<const uint8_t> bytes, uint64_t headerBytes) {
  uint64_t alignment = kDefaultAlignment;
  if (const Value *value = find("general.alignment")) {
    alignment = value->asUnsigned().value_or(0);
    if (!std::has_single_bit(alignment) || alignment > UINT32_MAX)
      return Failure{"has alignment " + value->summary() + "; a power of two is expected"};
  }
  uint64_t dataBegin = (headerBytes + alignment - 1) / alignment * alignment;
  uint64_t dataBytes = bytes.size() < dataBegin ? 0 : bytes.size() - dataBegin;
  for (Tensor &tensor : table) {
    std::optional<uint64_t> size = sizeBytes(tensor);
    if (tensor.dims[0] % tensor.type->blockElements != 0)
      return ofTensor(tensor.name, "has rows of " + std::to_string(tensor.dims[0]) + " elements; type " +
                                       tensor.type->name + " has blocks of " +
                                       std::to_string(tensor.type->blockElements));
    if (!size || tensor.offsetBytes > dataBytes || *size > dataBytes - tensor.offsetBytes)
      return ofTensor(tensor.name, "lies beyond the end of the file: the file is cut short or damaged");
    if (tensor.offsetBytes % alignment != 0)
      return ofTensor(tensor.name, "begins at " + std::to_string(tensor.offsetBytes) + ", not at a multiple of " +
                                       std::to_string(alignment));
    tensor.offsetBytes += dataBegin;
    tensor.bytes = bytes.subspan(tensor.offsetBytes, *size);
  }
  return checkOverlaps();
}

Status File::checkOverlaps() const {
  std::vector<const Tensor *> byPlace;
  for (const Tensor &tensor : table)
    byPlace.push_back(&tensor);
  std::sort(byPlace.begin(), byPlace.end(),
            [](const Tensor *a, const Tensor *b) { return a->offsetBytes < b->offsetBytes; });
  for (size_t i = 1; i < byPlace.size(); ++i)
    if (byPlace[i - 1]->offsetBytes + byPlace[i - 1]->bytes.size() > byPlace[i]->offsetBytes)
      return ofTensor(byPlace[i]->name, "overlaps tensor " + inQuotes(byPlace[i - 1]->name));
  return Done{};
}

const Value *File::find(std::string_view key) const {
  auto found = values.find(key);
  return found == values.end() ? nullptr : &found->second;
}

const Tensor *File::findTensor(std::string_view name) const {
  auto found = tensorIndices.find(name);
  return found == tensorIndices.end() ? nullptr : &table[found->second];
}

} // namespace kvasir::gguf
