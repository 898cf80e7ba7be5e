// SPDX-License-Identifier: MIT
#include "compiler/models/mil/tensor.h"

#include "plugins/address_space.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/APFloat.h"

#include <cstring>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

const llvm::fltSemantics *semanticsOf(Element element) {
  switch (element) {
  case Element::f16:
    return &llvm::APFloat::IEEEhalf();
  case Element::bf16:
    return &llvm::APFloat::BFloat();
  case Element::f32:
    return &llvm::APFloat::IEEEsingle();
  case Element::f64:
    return &llvm::APFloat::IEEEdouble();
  case Element::f8e4m3fn:
    return &llvm::APFloat::Float8E4M3FN();
  case Element::f8e5m2:
    return &llvm::APFloat::Float8E5M2();
  default:
    return nullptr;
  }
}

} // namespace

Type elementType(MLIRContext *context, Element element) {
  switch (element) {
  case Element::f16:
    return Float16Type::get(context);
  case Element::bf16:
    return BFloat16Type::get(context);
  case Element::f32:
    return Float32Type::get(context);
  case Element::f64:
    return Float64Type::get(context);
  default:
    return IntegerType::get(context, element == Element::boolean ? 1 : coreml::facts(element).bits);
  }
}

RankedTensorType tensorType(MLIRContext *context, Element element, ArrayRef<Scalar> dims) {
  SmallVector<int64_t> shape;
  for (const Scalar &dim : dims)
    shape.push_back(dim.constant().value_or(ShapedType::kDynamic));
  return RankedTensorType::get(shape, elementType(context, element));
}

bool isWithinMemory(Element element, ArrayRef<Scalar> dims) {
  int64_t room = kAddressSpaceBytes / std::max<int64_t>(coreml::facts(element).bits / 8, 1);
  for (const Scalar &dim : dims)
    room /= std::max<int64_t>(dim.constant().value_or(1), 1);
  return room > 0;
}

DenseElementsAttr denseElements(MLIRContext *context, const coreml::Constant &constant) {
  const Element element = constant.type.element;
  const auto type = RankedTensorType::get(constant.type.dims, elementType(context, element));
  if (element == Element::boolean) {
    SmallVector<bool> truths(constant.bytes.begin(), constant.bytes.end());
    return DenseElementsAttr::get(type, ArrayRef<bool>(truths));
  }
  // Bytes of a weight file begin at 64, so that the attribute may read them where they lie.
  const ArrayRef<char> bytes(reinterpret_cast<const char *>(constant.bytes.data()), constant.bytes.size());
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

std::optional<double> numberAt(const coreml::Constant &constant, uint64_t index) {
  const Element element = constant.type.element;
  const llvm::fltSemantics *semantics = semanticsOf(element);
  if (!semantics) {
    const std::optional<int64_t> integer = constant.integerAt(index);
    return integer ? std::optional(double(*integer)) : std::nullopt;
  }
  const uint32_t bytes = coreml::facts(element).bits / 8;
  uint64_t bits = 0;
  std::memcpy(&bits, constant.bytes.data() + index * bytes, bytes);
  llvm::APFloat number(*semantics, llvm::APInt(bytes * 8, bits));
  bool isInexact = false;
  number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &isInexact);
  return number.convertToDouble();
}

} // namespace kvasir::mil
