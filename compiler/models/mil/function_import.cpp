// SPDX-License-Identifier: MIT
#include "compiler/models/mil/function_import.h"

#include "compiler/models/mil/ops.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {

void FunctionImport::fail(const std::string &reason) {
  if (!firstFailure)
    firstFailure = "function '" + source.name + "': " + reason;
}

Tensor FunctionImport::constantTensor(const coreml::Constant &constant, ImplicitLocOpBuilder &builder) {
  Tensor tensor;
  tensor.element = constant.type.element;
  ScalarBuilder scalars(builder);
  for (int64_t dim : constant.type.dims)
    tensor.dims.push_back(scalars.constant(dim));
  tensor.constant = &constant;
  return tensor;
}

Tensor FunctionImport::find(coreml::ValueId value, ImplicitLocOpBuilder &builder) {
  if (const std::optional<coreml::Constant> &constant = source.values[value].constant)
    return constantTensor(*constant, builder);
  if (const auto found = tensors.find(value); found != tensors.end())
    return found->second;
  if (std::optional<Tensor> late = makeLate ? makeLate(value) : std::nullopt)
    return *late;
  fail("'" + source.nameOf(value) + "' is a state, or has no value here");
  Tensor nothing;
  nothing.value =
      builder.create<arith::ConstantOp>(DenseElementsAttr::get(RankedTensorType::get({}, builder.getF32Type()), 0.0f));
  return nothing;
}

const Tensor *FunctionImport::lookup(coreml::ValueId value) const {
  const auto found = tensors.find(value);
  return found == tensors.end() ? nullptr : &found->second;
}

bool FunctionImport::importOperation(const coreml::Operation &operation, ImplicitLocOpBuilder &builder) {
  if (operation.type == "const")
    return true;
  const OpEntry *entry = findOp(operation.type);
  builder.setLoc(NameLoc::get(builder.getStringAttr(source.describe(operation))));
  OpImport op(*this, operation, builder);
  if (!entry)
    return op.fail("is no op that is compiled"), false;
  for (const char *input : entry->inputs)
    if (!op.has(input))
      return op.fail(Twine("has no input '") + input + "'"), false;
  entry->import(op);
  return !firstFailure;
}

bool FunctionImport::importBlock(const coreml::Block &block, ImplicitLocOpBuilder &builder) {
  return llvm::all_of(block.operations,
                      [&](const coreml::Operation &operation) { return importOperation(operation, builder); });
}

} // namespace kvasir::mil
