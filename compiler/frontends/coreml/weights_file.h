// SPDX-License-Identifier: MIT
// Core ML's weight file, blob storage version 2: tensors that a program refers to by the offset of their metadata.
#ifndef KVASIR_FRONTENDS_COREML_WEIGHTS_FILE_H
#define KVASIR_FRONTENDS_COREML_WEIGHTS_FILE_H

#include "compiler/frontends/bytes/mapped_file.h"
#include "compiler/frontends/coreml/element_types.h"

#include <optional>
#include <vector>

namespace kvasir::coreml {

class WeightsFile {
public:
  /// Errors: what the system says; no weight file; another version.
  static Result<WeightsFile> open(const std::string &path);
  /// Of bytes that outlive it.
  static Result<WeightsFile> parse(std::span<const uint8_t> bytes);

  /// The bytes of the blob whose metadata begins at `offset`, which holds `numElements` of `element`.
  /// Errors: an offset with no blob at it, another type, another size, bytes outside the file.
  Result<std::span<const uint8_t>> find(uint64_t offset, Element element, uint64_t numElements) const;

  /// The whole file.
  std::span<const uint8_t> contents() const { return bytes; }

private:
  std::vector<MappedFile> mapping; ///< one or none
  std::span<const uint8_t> bytes;
};

/// Bytes of so many elements side by side; nothing if they are more than 63 bits hold.
std::optional<uint64_t> packedBytes(Element element, uint64_t numElements);

} // namespace kvasir::coreml

#endif
