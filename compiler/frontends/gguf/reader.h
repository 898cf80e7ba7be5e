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
  uint64_t offsetBytes;         // from the file's beginning
  std::span<const uint8_t> bytes;
};

/// What a file says. Everything in it lies inside the file, no two tensors overlap, no two keys or names are the same.
class File {
public:
  /// Maps the file. Errors are one line, without the path. Cost: proportional to the metadata, not to the tensors.
  static Result<File> open(const std::string &path);

  /// The same of bytes that outlive the file.
  static Result<File> parse(std::span<const uint8_t> bytes);

  const std::map<std::string_view, Value> &metadata() const { return values; }
  /// Null if there is no such key.
  const Value *find(std::string_view key) const;

  const std::vector<Tensor> &tensors() const { return table; }
  /// Null if there is no such tensor.
  const Tensor *findTensor(std::string_view name) const;

private:
  File() = default;
  Status readMetadata(Cursor &cursor, uint64_t count);
  Status readTensors(Cursor &cursor, uint64_t count);
  Result<Tensor> readTensor(Cursor &cursor) const;
  Status placeTensors(std::span<const uint8_t> bytes, uint64_t headerBytes);
  Status checkOverlaps() const;

  std::vector<MappedFile> mapping; // one or none
  std::map<std::string_view, Value> values;
  std::vector<Tensor> table;
  std::map<std::string_view, size_t> tensorIndices;
};

} // namespace kvasir::gguf

#endif
