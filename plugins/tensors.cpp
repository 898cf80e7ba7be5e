// SPDX-License-Identifier: MIT
#include "plugins/tensors.h"

#include "plugins/layout_json.h"

namespace kvasir {
namespace {

constexpr size_t kMaxTensors = 1 << 16;
constexpr size_t kMaxTensorName = 4096;
constexpr uint64_t kMaxLayers = 1 << 16;

WeightTensor tensorFromJson(const JsonReader &reader, uint64_t weightsSize) {
  reader.onlyMembers({"name", "type", "layers", "offset", "stride", "size", "layout"});
  WeightTensor tensor;
  tensor.name = reader.member("name").text(kMaxTensorName);
  tensor.type = reader.member("type").text(kMaxTensorName);
  tensor.layers = reader.member("layers").number(1, kMaxLayers);
  tensor.offsetBytes = reader.member("offset").number(0, weightsSize);
  tensor.strideBytes = reader.member("stride").number(0, weightsSize);
  tensor.sizeBytes = reader.member("size").number(0, weightsSize);
  tensor.layout = layoutFromJson(reader.member("layout"));
  if (const uint64_t listed = numListed(tensor.name).value_or(tensor.layers); listed != tensor.layers)
    reader.fail("'" + tensor.name + "' lists " + std::to_string(listed) + " tensors, it has " +
                std::to_string(tensor.layers));
  uint64_t end;
  if (__builtin_mul_overflow(tensor.layers - 1, tensor.strideBytes, &end) ||
      __builtin_add_overflow(end, tensor.offsetBytes + tensor.sizeBytes, &end) || end > weightsSize)
    reader.fail("'" + tensor.name + "' does not lie in the " + std::to_string(weightsSize) + " bytes of weights");
  if (tensor.layers > 1 && tensor.strideBytes < tensor.sizeBytes)
    reader.fail("'" + tensor.name + "' has layers that lie in one another");
  return tensor;
}

} // namespace

std::string tensorsToJson(const std::vector<WeightTensor> &tensors) {
  Json list = Json::array();
  for (const WeightTensor &tensor : tensors)
    list.push_back({{"name", tensor.name},
                    {"type", tensor.type},
                    {"layers", tensor.layers},
                    {"offset", tensor.offsetBytes},
                    {"stride", tensor.strideBytes},
                    {"size", tensor.sizeBytes},
                    {"layout", toJson(tensor.layout)}});
  return jsonText(list);
}

Result<std::vector<WeightTensor>> tensorsFromJson(std::string_view text, uint64_t weightsSize) {
  Result<Json> json = parseJson(text);
  if (!json)
    return Failure{"tensor table " + json.message()};
  std::optional<Failure> failure;
  const JsonReader reader(*json, "tensors", failure);
  std::vector<WeightTensor> tensors;
  for (size_t i = 0, n = reader.size(kMaxTensors); i < n && !failure; ++i)
    tensors.push_back(tensorFromJson(reader.element(i), weightsSize));
  if (failure)
    return *failure;
  return tensors;
}

std::vector<std::string> tensorsInRange(const std::vector<WeightTensor> &tensors, uint64_t begin, uint64_t end,
                                        size_t most) {
  std::vector<std::string> names;
  for (const WeightTensor &tensor : tensors) {
    const uint64_t firstEnd = tensor.offsetBytes + tensor.sizeBytes;
    if (tensor.sizeBytes == 0 || (tensor.strideBytes == 0 && firstEnd <= begin))
      continue;
    uint64_t layer = firstEnd > begin ? 0 : (begin - firstEnd) / tensor.strideBytes + 1;
    for (; layer < tensor.layers && tensor.offsetBytes + layer * tensor.strideBytes < end; ++layer) {
      if (names.size() == most)
        return names;
      names.push_back(tensor.nameOf(layer));
    }
  }
  return names;
}

} // namespace kvasir
