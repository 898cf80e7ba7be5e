// SPDX-License-Identifier: MIT
// Weights: the type, the families, and what reads them.
#include "compiler/dialects/lm/dialect.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace kvasir::lm;

namespace {
/// `, name = value`, if the next thing is that; a list of the optional facts of a type.
template <typename Parse> ParseResult parseFacts(AsmParser &parser, Parse parse) {
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    StringRef name;
    if (parser.parseKeyword(&name) || parser.parseEqual() || parse(name, loc))
      return failure();
  }
  return success();
}

bool isPlain(Type type) { return type.isF32() || type.isF16() || type.isBF16(); }

bool isCode(Type type) {
  return type.isSignedInteger(8) ||
         llvm::any_of(llvm::seq(2u, 7u), [&](unsigned bits) { return type.isUnsignedInteger(bits); });
}
} // namespace

Type WeightType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<int64_t> shape;
  Type codes, scale, min;
  int64_t group = 0, zero = 0;
  SmallVector<int64_t> values;
  auto fact = [&](StringRef name, SMLoc at) -> ParseResult {
    if (name == "codes")
      return parser.parseType(codes);
    if (name == "group")
      return parser.parseInteger(group);
    if (name == "scale")
      return parser.parseType(scale);
    if (name == "min")
      return parser.parseType(min);
    if (name == "zero")
      return parser.parseInteger(zero);
    if (name == "values")
      return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                            [&] { return parser.parseInteger(values.emplace_back()); });
    return parser.emitError(at, "'") << name << "' is not one of codes, group, scale, min, zero, values";
  };
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/false, /*withTrailingX=*/false) ||
      parseFacts(parser, fact) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), ArrayRef<int64_t>(shape), codes, group,
                    scale, min, zero, ArrayRef<int64_t>(values));
}

void WeightType::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printDimensionList(getShape());
  printer << ", codes = " << getCodes();
  if (getGroup())
    printer << ", group = " << getGroup();
  if (getScale())
    printer << ", scale = " << getScale();
  if (getMin())
    printer << ", min = " << getMin();
  if (getZero())
    printer << ", zero = " << getZero();
  if (!getValues().empty())
    printer << ", values = [" << getValues() << ']';
  printer << '>';
}

LogicalResult WeightType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> shape, Type codes,
                                 int64_t group, Type scale, Type min, int64_t zero, ArrayRef<int64_t> values) {
  if (shape.empty() || shape.size() > 2 || llvm::any_of(shape, [](int64_t size) { return size < 1; })) // C1
    return emitError() << "C1: a weight has one or two dimensions, each at least 1";
  if (!codes || (!isPlain(codes) && !isCode(codes))) // C2
    return emitError() << "C2: codes are f32, f16, bf16, si8, ui2, ui3, ui4, ui5 or ui6, not " << codes;
  if (isCode(codes) != (group > 0) || (group > 0 && shape.back() % group != 0)) // C3
    return emitError() << "C3: " << codes << " codes in rows of " << shape.back() << " cannot have groups of " << group;
  if ((group > 0) != bool(scale) || (group == 0 && (min || zero))) // C4
    return emitError() << "C4: a scale comes with a group, and a min or a zero with both";
  bool hasUnits = scale && scale.isSignedInteger(8);
  for (Type type : {scale, min})
    if (type && (hasUnits ? !type.isSignedInteger(8) : !isPlain(type))) // C5
      return emitError() << "C5: scale and min are f32, f16 or bf16, or both si8, not " << type;
  if (hasUnits && (shape.back() % kUnitColumns != 0 || kUnitColumns % group != 0)) // C6
    return emitError() << "C6: groups of " << group << " in rows of " << shape.back() << " cannot share units of "
                       << kUnitColumns << " columns";
  bool areBytes = llvm::all_of(values, [](int64_t value) { return llvm::isInt<8>(value); });
  bool ascend = llvm::is_sorted(values) && (values.empty() || values.front() < values.back());
  bool canHaveValues = codes.isSignedInteger(8) && zero == 0;
  if (!values.empty() && (values.size() != 16 || !areBytes || !ascend || !canHaveValues)) // C7
    return emitError() << "C7: values are sixteen whole numbers of eight bits in ascending order, of codes in si8 "
                       << "without a zero";
  return success();
}

LogicalResult WeightOp::verify() {
  if (int64_t(getFamily()) < 1) // C1
    return emitOpError("C1: a family of ") << int64_t(getFamily()) << " has no member";
  bool placed = getLayout().has_value();
  if (placed != getOffset().has_value() || placed != getStride().has_value()) // C2
    return emitOpError("C2: layout, offset and stride are given together");
  ArrayRef<Attribute> members = getMembers() ? getMembers()->getValue() : ArrayRef<Attribute>();
  if (getMembers() && members.size() != uint64_t(getFamily())) // C3
    return emitOpError("C3: a family of ") << int64_t(getFamily()) << " has members of " << members.size() << " types";
  for (Attribute member : members) {
    auto type = dyn_cast<WeightType>(cast<TypeAttr>(member).getValue());
    if (!type || type.getShape() != getType().getShape()) // C3
      return emitOpError("C3: a member is ") << member << ", the weight is " << getType();
  }
  return success();
}

LogicalResult SelectOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getSymbolAttr());
  if (!weight) // C1
    return emitOpError("C1: ") << getSymbolAttr() << " is not an lm.weight";
  if (weight.getType() != getType()) // C1
    return emitOpError("C1: ") << getSymbolAttr() << " is of type " << weight.getType();
  if (bool(getLayer()) != (weight.getFamily() > 1)) // C2
    return emitOpError("C2: ") << getSymbolAttr() << " is a family of " << weight.getFamily()
                               << (getLayer() ? "; leave the layer out" : "; say which layer");
  return success();
}

void SelectOp::getAsmResultNames(OpAsmSetValueNameFn name) { name(getResult(), getSymbol()); }

LogicalResult DequantizeOp::verify() {
  auto outs = cast<ShapedType>(getOuts().getType());
  if (!outs.hasStaticShape() || outs.getDimSize(1) != getWeight().getType().getNumColumns()) // C1
    return emitOpError("C1: outs has shape ")
           << outs << ", but rows of the weight have " << getWeight().getType().getNumColumns() << " columns";
  bool agrees = isa<TensorType>(outs) ? getResult() && getResult().getType() == outs : !getResult();
  return agrees ? success() : emitOpError("C2: a tensor gives a result of its type, a memref none"); // C2
}

void DequantizeOp::getEffects(SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  if (isa<MemRefType>(getOuts().getType()))
    effects.emplace_back(MemoryEffects::Write::get(), &getOutsMutable());
}
