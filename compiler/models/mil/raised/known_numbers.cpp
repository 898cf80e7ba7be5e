// SPDX-License-Identifier: MIT
#include "compiler/models/mil/raised/known_numbers.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

std::optional<CallSums> sumsOf(ArrayRef<Scalar> scalars) {
  CallSums sums;
  for (const Scalar &scalar : scalars) {
    std::optional<CallSum> sum = scalar.constant() ? CallSum{*scalar.constant(), {}} : callSumOf(scalar.value);
    if (!sum)
      return std::nullopt;
    sums.push_back(std::move(*sum));
  }
  return sums;
}

CallSums sumsOf(ArrayRef<int64_t> integers) {
  CallSums sums;
  for (int64_t integer : integers)
    sums.push_back({integer, {}});
  return sums;
}

/// A small input itself: its elements are the call's.
std::optional<CallSums> elementsOfInput(const Tensor &tensor) {
  auto argument = dyn_cast_or_null<BlockArgument>(tensor.value);
  if (!argument || !isInteger(tensor.element) || tensor.rank() > 1 || (tensor.rank() && !tensor.dims[0].constant()))
    return std::nullopt;
  CallSums sums;
  for (int64_t i = 0, n = tensor.rank() ? *tensor.dims[0].constant() : 1; i < n; ++i)
    sums.push_back({0, {{{CallNumber::Kind::element, argument.getArgNumber(), i}, 1}}});
  return sums;
}
} // namespace

std::optional<CallSums> KnownNumbers::elements(const coreml::Operand *operand) const {
  if (!operand)
    return std::nullopt;
  if (const std::optional<std::vector<int64_t>> known = integers(operand))
    return sumsOf(*known);
  const Tensor *tensor = operand->value ? opaque.lookup(*operand->value) : nullptr;
  if (!tensor)
    return std::nullopt;
  return tensor->scalars ? sumsOf(*tensor->scalars) : elementsOfInput(*tensor);
}

std::optional<CallSums> KnownNumbers::extents(coreml::ValueId value) const {
  if (const std::optional<coreml::Constant> &constant = function.values[value].constant)
    return sumsOf(constant->type.dims);
  const Tensor *tensor = opaque.lookup(value);
  return tensor ? sumsOf(tensor->dims) : std::nullopt;
}

std::optional<CallSums> KnownNumbers::extents(const coreml::Operand *operand) const {
  if (!operand)
    return std::nullopt;
  return operand->literal ? sumsOf(operand->literal->type.dims) : extents(*operand->value);
}

std::optional<std::vector<int64_t>> KnownNumbers::integers(const coreml::Operand *operand) const {
  const coreml::Constant *constant = operand ? function.constantOf(*operand) : nullptr;
  return constant ? constant->asIntegers() : std::nullopt;
}

int64_t KnownNumbers::integer(const coreml::Operation &operation, std::string_view name, int64_t otherwise) const {
  const std::optional<std::vector<int64_t>> known = integers(operation.find(name));
  return known && known->size() == 1 ? known->front() : otherwise;
}

std::optional<double> KnownNumbers::real(const coreml::Operand *operand) const {
  const coreml::Constant *constant = operand ? function.constantOf(*operand) : nullptr;
  if (!constant || constant->numElements() != 1 || constant->type.element == coreml::Element::string)
    return std::nullopt;
  return numberAt(*constant, 0);
}

std::vector<bool> KnownNumbers::flags(const coreml::Operation &operation, std::string_view name, size_t rank) const {
  std::vector<bool> flags(rank);
  const std::optional<std::vector<int64_t>> known = integers(operation.find(name));
  for (size_t i = 0; known && i < std::min(rank, known->size()); ++i)
    flags[i] = (*known)[i] != 0;
  return flags;
}

std::optional<std::vector<DimSlice>> KnownNumbers::slices(const coreml::Operation &operation,
                                                          const CallSums &extents) const {
  const size_t rank = extents.size();
  std::optional<CallSums> begins = elements(operation.find("begin")), ends = elements(operation.find("end"));
  const std::optional<std::vector<int64_t>> strides = integers(operation.find("stride"));
  const bool isStrided =
      operation.find("stride") && (!strides || llvm::any_of(*strides, [](int64_t stride) { return stride != 1; }));
  if (isStrided || !begins || !ends || begins->size() != rank || ends->size() != rank)
    return std::nullopt;
  const std::vector<bool> fromStart = flags(operation, "begin_mask", rank), toEnd = flags(operation, "end_mask", rank),
                          dropped = flags(operation, "squeeze_mask", rank);
  const auto fromEnd = [](const CallSum &index, const CallSum &extent) {
    return index.isConstant() && index.constant < 0 ? plus(index, extent) : index;
  };
  std::vector<DimSlice> slices;
  for (size_t i = 0; i < rank; ++i) {
    const CallSum &extent = extents[i];
    DimSlice slice{fromStart[i] ? CallSum{} : fromEnd((*begins)[i], extent),
                   toEnd[i] ? extent : fromEnd((*ends)[i], extent), false, dropped[i]};
    if (slice.isDropped)
      slice.end = plus(slice.begin, {1, {}});
    if (slice.end.isConstant() && extent.isConstant())
      slice.end.constant = std::min(slice.end.constant, extent.constant);
    slice.isWhole = slice.begin == CallSum{} && slice.end == extent;
    slices.push_back(std::move(slice));
  }
  return slices;
}

} // namespace kvasir::mil
