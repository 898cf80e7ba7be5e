// SPDX-License-Identifier: MIT
#include "runtime/model/tensors.h"

#include "runtime/state/error.h"

#include <algorithm>
#include <new>

namespace kvasir::runtime {
namespace {

std::string shapeText(ElementType element, const std::vector<uint64_t> &dims) {
  std::string text;
  for (const uint64_t dim : dims)
    text += std::to_string(dim) + "x";
  return text + elementName(element);
}

const NamedInput &findInput(const TensorDescription &wanted, const std::vector<NamedInput> &inputs) {
  const auto found = std::ranges::find(inputs, wanted.name, &NamedInput::name);
  if (found == inputs.end())
    throw Error(KV_BAD_INPUT, "input '" + wanted.name + "' is missing");
  return *found;
}

} // namespace

std::vector<uint64_t> resolveDims(const TensorDescription &tensor, const Sizes &sizes) {
  std::vector<uint64_t> dims;
  for (const Dimension &dim : tensor.shape) {
    if (dim.symbol == 'S' && sizes.sequences != 1)
      throw Error(KV_BAD_INPUT, "tensor '" + tensor.name + "' has a dim of the rows of one sequence; the call has " +
                                    std::to_string(sizes.sequences));
    dims.push_back(dim.symbol == 'B'   ? sizes.sequences
                   : dim.symbol == 'T' ? sizes.tokens
                   : dim.symbol == 'W' ? sizes.wanted
                   : dim.symbol == 'S' ? sizes.stored
                                       : dim.number);
  }
  return dims;
}

uint64_t denseBytes(ElementType element, const std::vector<uint64_t> &dims) {
  uint64_t bytes = elementBits(element) / 8;
  for (const uint64_t dim : dims)
    if (__builtin_mul_overflow(bytes, dim, &bytes))
      throw std::bad_alloc();
  return bytes;
}

bool isSplit(const TensorDescription &tensor, char symbol) {
  const auto isSymbol = [](const Dimension &dim) { return dim.symbol != 0; };
  return !tensor.shape.empty() && tensor.shape[0].symbol == symbol &&
         std::ranges::count_if(tensor.shape, isSymbol) == 1;
}

bool hasSymbol(const TensorDescription &tensor) {
  return std::ranges::any_of(tensor.shape, [](const Dimension &dim) { return dim.symbol != 0; });
}

bool holdsIds(const TensorDescription &tensor) {
  return tensor.role == TensorRole::ids && tensor.element == ElementType::i32;
}

std::vector<const uint8_t *> orderInputs(const FunctionDescription &function, const Sizes &sizes,
                                         const std::vector<NamedInput> &inputs) {
  std::vector<const uint8_t *> ordered;
  for (const TensorDescription &wanted : function.inputs) {
    const NamedInput &input = findInput(wanted, inputs);
    const auto dims = resolveDims(wanted, sizes);
    if (input.element != wanted.element || input.dims != dims)
      throw Error(KV_BAD_INPUT, "input '" + wanted.name + "' is " + shapeText(input.element, input.dims) +
                                    "; the call needs " + shapeText(wanted.element, dims));
    ordered.push_back(static_cast<const uint8_t *>(input.bytes));
  }
  for (const NamedInput &input : inputs)
    if (std::ranges::find(function.inputs, input.name, &TensorDescription::name) == function.inputs.end())
      throw Error(KV_BAD_INPUT, "function " + function.name + " has no input '" + input.name + "'");
  return ordered;
}

} // namespace kvasir::runtime
