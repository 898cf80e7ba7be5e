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
    text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return std::string(elementName(element)) + "[" + text + "]";
}

const NamedInput &findInput(const TensorDescription &wanted, const std::vector<NamedInput> &inputs) {
  const auto found = std::ranges::find(inputs, wanted.name, &NamedInput::name);
  if (found == inputs.end())
    throw Error(KV_BAD_INPUT, "input '" + wanted.name + "' is missing");
  return *found;
}

std::string allowedText(const ExtentDescription &extent) {
  if (extent.values.empty())
    return "from " + std::to_string(extent.from) + " to " + std::to_string(extent.to);
  std::string text = "one of";
  for (size_t i = 0; i < extent.values.size(); ++i)
    text += (i ? ", " : " ") + std::to_string(extent.values[i]);
  return text;
}

bool allows(const ExtentDescription &extent, uint64_t number) {
  return number >= extent.from && number <= extent.to &&
         (extent.values.empty() || std::ranges::find(extent.values, number) != extent.values.end());
}

/// The free extents that one input has.
void takeExtents(const FunctionDescription &function, const TensorDescription &wanted, const NamedInput &input,
                 OwnExtents &extents) {
  for (size_t dim = 0; dim < std::min(wanted.shape.size(), input.dims.size()); ++dim) {
    const auto extent = std::ranges::find(function.extents, wanted.shape[dim].symbol, &ExtentDescription::symbol);
    if (extent == function.extents.end())
      continue;
    const std::string found =
        "dim " + std::to_string(dim) + " of input '" + wanted.name + "' is " + std::to_string(input.dims[dim]);
    if (!allows(*extent, input.dims[dim]))
      throw Error(KV_BAD_INPUT, found + "; function " + function.name + " takes " + allowedText(*extent));
    uint64_t &known = extents[extent->symbol - 'a'];
    if (known && known != input.dims[dim])
      throw Error(KV_BAD_INPUT, found + ", in another input the same extent is " + std::to_string(known));
    known = input.dims[dim];
  }
}

uint64_t sumOf(const FunctionDescription &function, const ExtentDescription &extent, const OwnExtents &free) {
  int64_t sum = extent.constant;
  for (const auto &[symbol, factor] : extent.terms) {
    int64_t term = 0;
    if (__builtin_mul_overflow(factor, int64_t(free[symbol - 'a']), &term) || __builtin_add_overflow(sum, term, &sum))
      throw Error(KV_BAD_INPUT, "the extents of the inputs of function " + function.name + " are too large");
  }
  if (sum < 0)
    throw Error(KV_BAD_INPUT,
                "the inputs of function " + function.name + " would make an output of extent " + std::to_string(sum));
  return uint64_t(sum);
}

} // namespace

OwnExtents ownExtents(const FunctionDescription &function, const std::vector<NamedInput> &inputs) {
  OwnExtents extents{};
  if (function.extents.empty())
    return extents;
  for (const TensorDescription &wanted : function.inputs)
    takeExtents(function, wanted, findInput(wanted, inputs), extents);
  for (const ExtentDescription &extent : function.extents)
    if (!extent.isFree())
      extents[extent.symbol - 'a'] = sumOf(function, extent, extents);
  return extents;
}

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
                   : dim.symbol        ? sizes.extents[dim.symbol - 'a']
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
