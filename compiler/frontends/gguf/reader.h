// SPDX-License-Identifier: MIT
// GGUF files, versions 2 and 3, little-endian: metadata and tensor table, checked before use.
#ifndef KVASIR_FRONTENDS_GGUF_READER_H
#define KVASIR_FRONTENDS_GGUF_READER_H

#include "compiler/frontends/bytes/mapped_file.h"
#include "compiler/frontends/gguf/metadata.h"
#include "compiler/frontends/gguf/tensor_types.h"

#include <array>
#include <map>
#include <string_view>
#include <vector>

namespace kvasir::gguf {

/// One tensor. Dimensions as in the file: the first is the one whose elements lie side by side.
struct Tensor {
  std::string_view name;
  const TensorType *type;
  uint32_t numDims;
  std::array<uint64_t, 4> dims; // 1 where the tensor has fewer
  uint64_t offsetBytes;         // from the beginning of the file that it is in
  std::span<const uint8_t> bytes;
};

/// What a file says. Everything in it lies inside the file, no two tensors overlap, no two keys or names are the same.
class File {
public:
  /// Maps the file; of a model in several files all, whichever of them is named. Errors are one line, without the path.
  /// Cost: proportional to the metadata, not to the tensors.
  static Result<File> open(const std::string &path);

  /// The same of the bytes of one file, which outlive it.
  static Result<File> parse(std::span<const uint8_t> bytes);

  const std::map<std::string_view, Value> &metadata() const { return values; }
  /// Null if there is no such key.
  const Value *find(std::string_view key) const;

  const std::vector<Tensor> &tensors() const { return table; }
  /// Null if there is no such tensor.
  const Tensor *findTensor(std::string_view name) const;

private:
  File() = default;
  static Result<File> openOne(const std::string &path);
  static Result<File> openParts(const std::string &stem, uint64_t count);
  static Result<File> openPart(const std::string &stem, uint64_t part, uint64_t count);
  Status append(File part);
  Status readMetadata(Cursor &cursor, uint64_t count);
  Status readTensors(Cursor &cursor, uint64_t count);
  Result<Tensor> readTensor(Cursor &cursor) const;
  Status placeTensors(std::span<const uint8_t> bytes, uint64_t headerBytes);
  Status checkOverlaps() const;

  std::vector<MappedFile> mapping; // one for each part, or none
  std::map<std::string_view, Value> values;
  std::vector<Tensor> table;
  std::map<std::string_view, size_t> tensorIndices;
};

} // namespace kvasir::gguf

#endif
