// SPDX-License-Identifier: MIT
#include "compiler/packing/weight_type.h"

#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace kvasir {
namespace {

static_assert(lm::WeightType::kUnitColumns == kSuperblock);

Type typeOf(MLIRContext *context, ElementType element) {
  Builder builder(context);
  switch (element) {
  case ElementType::f32:
    return builder.getF32Type();
  case ElementType::f16:
    return builder.getF16Type();
  case ElementType::bf16:
    return builder.getBF16Type();
  case ElementType::i8:
    return builder.getIntegerType(8, /*isSigned=*/true);
  default:
    return builder.getIntegerType(elementBits(element), /*isSigned=*/false);
  }
}

ElementType elementOf(Type type) {
  if (type.isF32())
    return ElementType::f32;
  if (type.isF16())
    return ElementType::f16;
  if (type.isBF16())
    return ElementType::bf16;
  switch (type.getIntOrFloatBitWidth()) {
  case 2:
    return ElementType::u2;
  case 3:
    return ElementType::u3;
  case 4:
    return ElementType::u4;
  case 5:
    return ElementType::u5;
  case 6:
    return ElementType::u6;
  default:
    return ElementType::i8;
  }
}

} // namespace

lm::WeightType weightTypeOf(MLIRContext *context, const WeightForm &form, ArrayRef<int64_t> shape) {
  Type scale = form.group ? typeOf(context, form.scale) : Type();
  Type min = form.min ? typeOf(context, *form.min) : Type();
  SmallVector<int64_t> values;
  if (form.values)
    values.assign(form.values->begin(), form.values->end());
  return lm::WeightType::get(context, shape, typeOf(context, form.codes), form.group, scale, min, form.zero, values);
}

WeightForm formOf(lm::WeightType type) {
  WeightForm form;
  form.codes = elementOf(type.getCodes());
  if (!type.isGrouped())
    return form;
  form.group = uint32_t(type.getGroup());
  form.scale = elementOf(type.getScale());
  if (type.getMin())
    form.min = elementOf(type.getMin());
  form.zero = int32_t(type.getZero());
  if (!type.getValues().empty())
    llvm::copy(type.getValues(), form.values.emplace().begin());
  return form;
}

} // namespace kvasir
