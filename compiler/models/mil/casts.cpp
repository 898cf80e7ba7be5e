// SPDX-License-Identifier: MIT
// Between element types: cast, quantize, dequantize.
#include "compiler/models/mil/families.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

/// By the name that `dtype` has.
std::optional<Element> elementFromName(StringRef name) {
  struct Name {
    const char *name;
    Element element;
  };
  constexpr Name kNames[] = {{"bool", Element::boolean}, {"fp16", Element::f16},   {"fp32", Element::f32},
                             {"int16", Element::i16},    {"int32", Element::i32},  {"int8", Element::i8},
                             {"uint16", Element::u16},   {"uint32", Element::u32}, {"uint8", Element::u8}};
  const auto *found = llvm::find_if(kNames, [&](const Name &known) { return name == known.name; });
  return found == std::end(kNames) ? std::nullopt : std::optional(found->element);
}

/// Toward zero; what the type can't hold becomes the nearest that it can, NaN 0.
Value truncateToInteger(Builder &b, Value number, Element to) {
  Type type = number.getType();
  Type i64 = b.getI64Type();
  const auto [least, most] = rangeOf(to);
  auto constant = [&](double value) { return b.create<arith::ConstantOp>(b.getFloatAttr(type, value)); };
  Value isNumber = b.create<arith::CmpFOp>(arith::CmpFPredicate::ORD, number, number);
  Value held = b.create<arith::SelectOp>(isNumber, number, constant(0));
  constexpr double kWhole = 9.2e18; // below 2^63, so that the conversion is defined
  held = b.create<arith::MinimumFOp>(b.create<arith::MaximumFOp>(held, constant(-kWhole)), constant(kWhole));
  Value whole = b.create<arith::FPToSIOp>(i64, held);
  Value lowest = b.create<arith::ConstantOp>(b.getI64IntegerAttr(least));
  Value highest = b.create<arith::ConstantOp>(b.getI64IntegerAttr(most));
  whole = b.create<arith::MinSIOp>(b.create<arith::MaxSIOp>(whole, lowest), highest);
  Type narrow = elementType(b.getContext(), to);
  return narrow == i64 ? whole : b.create<arith::TruncIOp>(narrow, whole).getResult();
}

Value integerToFloat(Builder &b, Value number, Element from, Type type) {
  if (isSigned(from))
    return b.create<arith::SIToFPOp>(type, number);
  return b.create<arith::UIToFPOp>(type, number);
}

/// Low bits, or zeros or copies of the sign in front.
Value resizeInteger(Builder &b, Value number, Element from, Type to) {
  const unsigned wide = to.getIntOrFloatBitWidth(), narrow = number.getType().getIntOrFloatBitWidth();
  if (wide == narrow)
    return number;
  if (wide < narrow)
    return b.create<arith::TruncIOp>(to, number);
  return isSigned(from) ? b.create<arith::ExtSIOp>(to, number).getResult()
                        : b.create<arith::ExtUIOp>(to, number).getResult();
}

/// `value` is in the type that `from` is computed in, the result in that of `to`.
Value convert(Builder &b, Value value, Element from, Element to) {
  Type type = computeType(b.getContext(), to);
  if (to == Element::boolean) {
    Type own = value.getType();
    if (isa<FloatType>(own))
      return b.create<arith::CmpFOp>(arith::CmpFPredicate::UNE, value,
                                     b.create<arith::ConstantOp>(b.getFloatAttr(own, 0)));
    return b.create<arith::CmpIOp>(arith::CmpIPredicate::ne, value,
                                   b.create<arith::ConstantOp>(b.getIntegerAttr(own, 0)));
  }
  if (isInteger(from) && isInteger(to))
    return resizeInteger(b, value, from, type);
  if (isInteger(from))
    return integerToFloat(b, value, from, type);
  return isInteger(to) ? truncateToInteger(b, value, to) : fromCompute(b, value, type);
}

/// A scale or zero point: of the whole tensor, or one for each step along the axis.
Tensor alongAxis(OpImport &op, StringRef name, const Tensor &input) {
  Tensor given = op.tensor(name);
  if (given.rank() != 1 || given.dims[0].constant() == 1)
    return given;
  const int64_t axis = op.axis(op.integer("axis", 0), input.rank());
  Scalars dims(input.rank(), op.scalars.constant(1));
  dims[axis] = given.dims[0];
  Value value = op.valueOf(given);
  Value spread = emitGenerate(op, given.element, dims, [&](Builder &b, ValueRange indices) -> Value {
    return extract(b, value, ValueRange{indices[axis]});
  });
  return op.make(given.element, dims, spread);
}
} // namespace

void importCast(OpImport &op) {
  Tensor x = op.tensor("x");
  const std::string name = op.text("dtype", "fp32");
  const std::optional<Element> to = elementFromName(name);
  if (!to)
    return op.fail("casts to '" + name + "', which is not known");
  if (op.isSmall(x) && isInteger(*to)) {
    Scalars list = op.scalarsOf(x);
    for (Scalar &scalar : list)
      scalar = op.scalars.wrap(scalar, *to);
    return op.set(op.make(*to, x.dims, std::move(list)));
  }
  setElementwise(op, {x}, *to, [&](Builder &b, ValueRange in) { return convert(b, in[0], x.element, *to); });
}

/// clip(round(input / scale) + zero point), rounded half to even.
void importQuantize(OpImport &op) {
  Tensor input = op.tensor("input");
  const std::string name = op.text("output_dtype", "int8");
  const std::optional<Element> to = elementFromName(name);
  if (!to || !isInteger(*to))
    return op.fail("quantizes to '" + name + "', which is not known");
  SmallVector<Tensor> operands{input, alongAxis(op, "scale", input)};
  if (op.has("zero_point"))
    operands.push_back(alongAxis(op, "zero_point", input));
  setElementwise(
      op, operands, *to,
      [&](Builder &b, ValueRange in) {
        Value steps = b.create<math::RoundEvenOp>(b.create<arith::DivFOp>(in[0], in[1]));
        if (in.size() == 3)
          steps = b.create<arith::AddFOp>(steps, integerToFloat(b, in[2], operands[2].element, steps.getType()));
        return truncateToInteger(b, steps, *to);
      },
      /*isFixed=*/true);
}

/// (input - zero point) * scale, in the scale's type.
void importDequantize(OpImport &op) {
  Tensor input = op.tensor("input");
  SmallVector<Tensor> operands{input, alongAxis(op, "scale", input)};
  if (op.has("zero_point"))
    operands.push_back(alongAxis(op, "zero_point", input));
  const Element to = operands[1].element;
  setElementwise(
      op, operands, to,
      [&](Builder &b, ValueRange in) -> Value {
        Type type = in[1].getType();
        Value steps = integerToFloat(b, in[0], input.element, type);
        if (in.size() == 3)
          steps = b.create<arith::SubFOp>(steps, integerToFloat(b, in[2], operands[2].element, type));
        return b.create<arith::MulFOp>(steps, in[1]);
      },
      /*isFixed=*/true);
}

} // namespace kvasir::mil
