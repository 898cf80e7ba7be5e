// SPDX-License-Identifier: MIT
// A GGUF file as the source of a program's weights.
#ifndef KVASIR_FRONTENDS_GGUF_WEIGHTS_H
#define KVASIR_FRONTENDS_GGUF_WEIGHTS_H

#include "compiler/frontends/gguf/reader.h"
#include "compiler/packing/weight_source.h"

namespace kvasir::gguf {

/// A matrix [N, K] is a tensor of dimensions K, N; a vector has one row. The file outlives the source.
class FileWeights : public WeightSource {
public:
  explicit FileWeights(const File &file) : file(file) {}

  Result<SourceTensor> find(std::string_view name) const override;
  bool contains(std::string_view name) const override { return file.findTensor(name) != nullptr; }
  std::vector<std::string_view> names() const override;

private:
  Result<SourceTensor> findRows(std::string_view name, uint64_t begin, uint64_t end) const;
  Result<SourceTensor> findAsOneRow(std::string_view name) const;

  const File &file;
};

} // namespace kvasir::gguf

#endif
