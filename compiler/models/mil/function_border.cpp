// SPDX-License-Identifier: MIT
#include "compiler/models/mil/function_border.h"

#include "compiler/dialects/kv/dialect.h"
#include "compiler/models/mil/op_import.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

using coreml::TypeKind;

RankedTensorType inputType(MLIRContext *context, const coreml::TensorType &type) {
  SmallVector<int64_t> shape;
  for (int64_t dim : type.dims)
    shape.push_back(dim == coreml::kAnySize ? ShapedType::kDynamic : dim);
  return RankedTensorType::get(shape, elementType(context, type.element));
}

void nameArgument(func::FuncOp target, unsigned number, const std::string &name, const std::string &letters) {
  Builder b(target.getContext());
  target.setArgAttr(number, "kv.name", b.getStringAttr(name));
  if (!letters.empty())
    target.setArgAttr(number, kExtentsAttr, b.getStringAttr(letters));
}

/// The two shapes of one register, with and without the dim of sequences.
SmallVector<ReassociationIndices> withoutSequences(size_t rank) {
  SmallVector<ReassociationIndices> groups;
  for (size_t i = 0; i < rank; ++i)
    groups.push_back(i ? ReassociationIndices{int64_t(i) + 1} : ReassociationIndices{0, 1});
  return groups;
}
} // namespace

SmallVector<Type> argumentTypes(MLIRContext *context, const coreml::Function &function, ArrayRef<std::string> slots) {
  SmallVector<Type> types;
  for (coreml::ValueId input : function.inputs)
    if (const coreml::Type &type = function.values[input].type; type.kind == TypeKind::tensor)
      types.push_back(inputType(context, type.tensor));
  for (const std::string &name : slots)
    types.push_back(kv::SlotType::get(context, FlatSymbolRefAttr::get(context, name)));
  types.push_back(kv::BatchType::get(context));
  return types;
}

void FunctionBorder::takeInputs(BindExtent bind) {
  unsigned number = 0;
  for (coreml::ValueId input : import.source.inputs) {
    const coreml::Value &value = import.source.values[input];
    if (value.type.kind != TypeKind::tensor)
      continue;
    Tensor tensor;
    tensor.element = value.type.tensor.element;
    tensor.value = import.target.getArgument(number);
    std::string letters;
    for (auto [i, dim] : llvm::enumerate(value.type.tensor.dims))
      tensor.dims.push_back(dim == coreml::kAnySize ? takeExtent(input, tensor, i, letters, bind)
                                                    : ScalarBuilder(body).constant(dim));
    nameArgument(import.target, number++, value.name, letters);
    if (!isWithinMemory(tensor.element, tensor.dims))
      import.fail("has an input '" + value.name + "' that is larger than memory");
    import.define(input, std::move(tensor));
  }
  if (!extents.fit())
    import.fail("has more than 26 open dims in its inputs");
  extents.write();
}

Scalar FunctionBorder::takeExtent(coreml::ValueId input, const Tensor &tensor, size_t dim, std::string &letters,
                                  BindExtent bind) {
  if (std::optional<BoundExtent> bound = bind(input, dim)) {
    letters.push_back(bound->letter);
    return bound->scalar;
  }
  const std::string &name = import.source.nameOf(input);
  const auto declared = import.source.declaredDims.find(name);
  coreml::DimRange range;
  if (declared != import.source.declaredDims.end() && dim < declared->second.size() &&
      !isContradicted(name, dim, declared->second[dim]))
    range = declared->second[dim];
  return extents.add(body, tensor.value, int64_t(dim), range, letters);
}

/// Whether another function takes more than this dim's range allows: exporters leave the ranges of a function as they
/// are when they fix its shapes for others. No such range is held to.
bool FunctionBorder::isContradicted(const std::string &name, size_t dim, const coreml::DimRange &range) const {
  return llvm::any_of(program.functions, [&](const coreml::Function &function) {
    return llvm::any_of(function.inputs, [&](coreml::ValueId input) {
      const coreml::Value &value = function.values[input];
      const std::vector<int64_t> &dims = value.type.tensor.dims;
      return value.name == name && dim < dims.size() && range.to != coreml::kAnySize && dims[dim] > range.to;
    });
  });
}

unsigned FunctionBorder::firstSlot() const {
  return unsigned(llvm::count_if(import.source.inputs, [&](coreml::ValueId input) {
    return import.source.values[input].type.kind == TypeKind::tensor;
  }));
}

void FunctionBorder::getRegisters() {
  func::FuncOp target = import.target;
  for (const auto &[i, state] : llvm::enumerate(registers)) {
    SmallVector<int64_t> shape{1};
    llvm::append_range(shape, state.second.dims);
    auto type = RankedTensorType::get(shape, elementType(body.getContext(), state.second.element));
    Value slot = target.getArgument(firstSlot() + i);
    Value layer = body.create<arith::ConstantIndexOp>(0);
    Value contents = body.create<kv::GetOp>(type, slot, layer, target.getArguments().back());
    versions.push_back({slot, contents});
    for (coreml::ValueId input : import.source.inputs)
      if (import.source.values[input].type.kind == TypeKind::state && import.source.nameOf(input) == state.first)
        import.states[input] = contentsOf(state.second, contents);
  }
}

Tensor FunctionBorder::contentsOf(const coreml::TensorType &type, Value contents) {
  Tensor tensor;
  tensor.element = type.element;
  for (int64_t dim : type.dims)
    tensor.dims.push_back(ScalarBuilder(body).constant(dim));
  if (!isWithinMemory(tensor.element, tensor.dims))
    import.fail("has a state that is larger than memory");
  tensor.value = body.create<tensor::CollapseShapeOp>(tensorType(body.getContext(), type.element, tensor.dims),
                                                      contents, withoutSequences(type.dims.size()));
  return tensor;
}

Status FunctionBorder::finish(ArrayRef<Value> slots) {
  static const coreml::Operation kReturn{"return", 0, {}, {}, {}, {}};
  func::FuncOp target = import.target;
  body.setLoc(target.getLoc());
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (coreml::ValueId output : import.source.body.outputs) {
    Tensor tensor = import.find(output, body);
    const std::string &name = import.source.nameOf(output);
    if (import.failure())
      return Failure{*import.failure()};
    std::optional<std::string> letters = extents.lettersOf(tensor.dims);
    if (!letters)
      return Failure{"function '" + import.source.name + "': the extents of output '" + name +
                     "' are no sums of the extents of inputs"};
    SmallVector<NamedAttribute> facts{body.getNamedAttr("kv.name", body.getStringAttr(name))};
    if (!letters->empty())
      facts.push_back(body.getNamedAttr(kExtentsAttr, body.getStringAttr(*letters)));
    results.push_back(OpImport(import, kReturn, body).valueOf(tensor));
    attributes.push_back(body.getDictionaryAttr(facts));
  }
  extents.write();
  setRegisters(results);
  llvm::append_range(results, slots);
  attributes.resize(results.size(), body.getDictionaryAttr({}));
  body.create<func::ReturnOp>(results);
  target.setType(body.getFunctionType(target.getArgumentTypes(), ValueRange(results).getTypes()));
  target.setAllResultAttrs(attributes);
  return Done{};
}

void FunctionBorder::setRegisters(SmallVector<Value> &results) {
  func::FuncOp target = import.target;
  for (const auto &[version, state] : llvm::zip_equal(versions, registers)) {
    Value next = version.contents;
    for (const auto &[input, contents] : import.states)
      if (import.source.nameOf(input) == state.first)
        next = body.create<tensor::ExpandShapeOp>(version.contents.getType(), contents.value,
                                                  withoutSequences(state.second.dims.size()));
    Value layer = body.create<arith::ConstantIndexOp>(0);
    results.push_back(
        body.create<kv::SetOp>(version.slot.getType(), version.slot, layer, next, target.getArguments().back()));
  }
}

} // namespace kvasir::mil
