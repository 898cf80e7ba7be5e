// SPDX-License-Identifier: MIT
// The text of #lm.layout.
#include "compiler/dialects/lm/dialect.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::lm;

namespace {
constexpr Axis kAxes[] = {Axis::layer, Axis::row, Axis::column, Axis::head, Axis::token, Axis::lane};
constexpr PlaneRole kRoles[] = {PlaneRole::value, PlaneRole::code, PlaneRole::scale, PlaneRole::min};
constexpr ElementType kElements[] = {ElementType::f32, ElementType::f16, ElementType::bf16, ElementType::i8,
                                     ElementType::u8,  ElementType::u4,  ElementType::u5,   ElementType::u6,
                                     ElementType::i32, ElementType::i64, ElementType::f64};

const char *nameOf(Axis axis) {
  static constexpr const char *names[] = {"layer", "row", "column", "head", "token", "lane"};
  return names[unsigned(axis)];
}

const char *nameOf(PlaneRole role) {
  static constexpr const char *names[] = {"value", "code", "scale", "min"};
  return names[unsigned(role)];
}

const char *nameOf(ElementType element) { return elementName(element); }

template <typename Name, size_t size>
ParseResult parseName(AsmParser &parser, const Name (&names)[size], StringRef what, Name &result) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  for (Name name : names)
    if (keyword == nameOf(name))
      return result = name, success();
  return parser.emitError(loc, "'") << keyword << "' is not " << what;
}

/// column 16 : 8
ParseResult parseDigit(AsmParser &parser, Digit &digit) {
  return failure(parseName(parser, kAxes, "an axis of a layout", digit.axis) || parser.parseInteger(digit.extent) ||
                 parser.parseColon() || parser.parseInteger(digit.strideBits));
}

/// code u4 at 512 [column 16 : 8, row 32 : 128]
ParseResult parsePlane(AsmParser &parser, Plane &plane) {
  auto digit = [&] { return parseDigit(parser, plane.digits.emplace_back()); };
  return failure(parseName(parser, kRoles, "the role of a plane", plane.role) ||
                 parseName(parser, kElements, "an element type of a plane", plane.element) ||
                 parser.parseKeyword("at") || parser.parseInteger(plane.offsetBits) ||
                 parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, digit));
}
} // namespace

llvm::hash_code kvasir::hash_value(const Layout &layout) {
  llvm::hash_code hash = llvm::hash_value(layout.sizeBytes);
  for (const Plane &plane : layout.planes) {
    hash = llvm::hash_combine(hash, plane.role, plane.element, plane.offsetBits);
    for (const Digit &digit : plane.digits)
      hash = llvm::hash_combine(hash, digit.axis, digit.extent, digit.strideBits);
  }
  return hash;
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  Layout layout;
  if (parser.parseLess() || parser.parseInteger(layout.sizeBytes) || parser.parseKeyword("bytes"))
    return {};
  while (succeeded(parser.parseOptionalComma()))
    if (parsePlane(parser, layout.planes.emplace_back()))
      return {};
  if (parser.parseGreater())
    return {};
  return get(parser.getContext(), layout);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << '<' << getLayout().sizeBytes << " bytes";
  for (const Plane &plane : getLayout().planes) {
    printer << ", " << nameOf(plane.role) << ' ' << nameOf(plane.element) << " at " << plane.offsetBits << " [";
    llvm::interleaveComma(plane.digits, printer, [&](const Digit &digit) {
      printer << nameOf(digit.axis) << ' ' << digit.extent << " : " << digit.strideBits;
    });
    printer << ']';
  }
  printer << '>';
}
