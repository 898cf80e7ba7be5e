// SPDX-License-Identifier: MIT
// Section "tensors": where each weight lies and how, for people and for naming what is damaged.
#ifndef KVASIR_PLUGINS_TENSORS_H
#define KVASIR_PLUGINS_TENSORS_H

#include "plugins/layout.h"
#include "plugins/member_name.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

/// A weight, or a family of one weight a layer.
struct WeightTensor {
  std::string name; ///< a pattern of member_name.h for the names in the source file: "blk.{}.attn_q.weight"
  std::string type; ///< for people: "576x576, codes = ui4, group = 32, scale = f16"
  uint64_t layers = 1;
  uint64_t offsetBytes = 0; ///< of the first layer, in the weights
  uint64_t strideBytes = 0; ///< from layer to layer; sizeBytes if there is one
  uint64_t sizeBytes = 0;   ///< of one layer
  Layout layout;

  bool operator==(const WeightTensor &) const = default;

  /// Of the source file's tensor that this layer is.
  std::string nameOf(uint64_t layer) const { return memberName(name, layer); }
};

std::string tensorsToJson(const std::vector<WeightTensor> &tensors);

/// Reads what tensorsToJson writes; bytes are hostile. Every layer of every tensor lies inside `weightsSize` bytes.
Result<std::vector<WeightTensor>> tensorsFromJson(std::string_view text, uint64_t weightsSize);

/// Names of the tensors that have bytes in [begin, end) of the weights, layer by layer: the first `most`.
std::vector<std::string> tensorsInRange(const std::vector<WeightTensor> &tensors, uint64_t begin, uint64_t end,
                                        size_t most = SIZE_MAX);

} // namespace kvasir

#endif
