// SPDX-License-Identifier: MIT
#include "compiler/mutate/inputs.h"

#include "compiler/driver/random_weights.h"
#include "compiler/packing/weight_form.h"

#include <cmath>
#include <cstring>

using namespace kvasir;

namespace {
/// In [-1, 1), the same on every machine.

/// One input of a call, filled element by element.
class Filler {
public:
  Filler(const Description &description, const Step &step, const std::vector<uint64_t> &starts)
      : description(description), step(step), starts(starts) {
    for (const Part &part : step.parts)
      numTokens += part.count;
  }

  InputTensor fill(const TensorDescription &tensor, std::mt19937_64 &random) const {
    InputTensor input{tensor.name, tensor.element, dimsOf(tensor), {}};
    uint64_t numElements = 1;
    for (uint64_t dim : input.dims)
      numElements *= dim;
    input.bytes.resize(numElements * elementBits(tensor.element) / 8);
    for (uint64_t i = 0; i < numElements; ++i)
      set(input, i, valueAt(tensor, input.dims, i, random));
    return input;
  }

private:
  std::vector<uint64_t> dimsOf(const TensorDescription &tensor) const {
    std::vector<uint64_t> dims;
    for (const Dimension &dim : tensor.shape)
      dims.push_back(dim.symbol == 'B'   ? step.parts.size()
                     : dim.symbol == 'S' ? starts[0] + step.parts[0].count
                     : dim.symbol        ? numTokens
                                         : dim.number);
    return dims;
  }

  double valueAt(const TensorDescription &tensor, const std::vector<uint64_t> &dims, uint64_t index,
                 std::mt19937_64 &random) const {
    switch (tensor.role) {
    case TensorRole::ids:
      return double(random() % std::max<uint64_t>(description.model.vocabularySize, 1));
    case TensorRole::positions:
      return double(positionOf(index) + (step.lie == Lie::positions));
    case TensorRole::mask: {
      const uint64_t row = index / dims.back(), column = index % dims.back();
      return column <= positionOf(row) + (step.lie == Lie::mask) ? 0 : -INFINITY;
    }
    default:
      return isFloat(tensor.element) ? drawNumber(random) : 0;
    }
  }

  /// The position of token `token` of the batch.
  uint64_t positionOf(uint64_t token) const {
    for (size_t i = 0; i < step.parts.size(); ++i) {
      if (token < step.parts[i].count)
        return starts[i] + token;
      token -= step.parts[i].count;
    }
    return starts[0] + token;
  }

  static void set(InputTensor &input, uint64_t index, double value) {
    if (isFloat(input.element))
      return setFloatAt(input.element, input.bytes.data(), index, float(value));
    const int64_t number = int64_t(value);
    const uint64_t size = elementBits(input.element) / 8;
    std::memcpy(input.bytes.data() + index * size, &number, size);
  }

  const Description &description;
  const Step &step;
  const std::vector<uint64_t> &starts;
  uint64_t numTokens = 0;
};
} // namespace

std::vector<InputTensor> kvasir::makeInputs(const Description &description, const Step &step,
                                            const std::vector<uint64_t> &starts, std::mt19937_64 &random) {
  std::vector<InputTensor> inputs;
  const Filler filler(description, step, starts);
  for (const TensorDescription &tensor : description.functions[step.function].inputs)
    inputs.push_back(filler.fill(tensor, random));
  return inputs;
}
