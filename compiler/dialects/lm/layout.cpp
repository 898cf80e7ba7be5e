// SPDX-License-Identifier: MIT
// The text of #lm.layout.
#include "compiler/dialects/lm/dialect.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::lm;

namespace {
/// Parses a name that `fromName` knows.
template <typename Name>
ParseResult parseName(AsmParser &parser, std::optional<Name> (*fromName)(std::string_view), StringRef what,
                      Name &result) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<Name> name = fromName(std::string_view(keyword.data(), keyword.size()));
  if (!name)
    return parser.emitError(loc, "'") << keyword << "' is not " << what;
  return result = *name, success();
}

/// column 16 : 8
ParseResult parseDigit(AsmParser &parser, Digit &digit) {
  return failure(parseName(parser, axisFromName, "an axis of a layout", digit.axis) ||
                 parser.parseInteger(digit.extent) || parser.parseColon() || parser.parseInteger(digit.strideBits));
}

/// code u4 at 512 [column 16 : 8, row 32 : 128]
ParseResult parsePlane(AsmParser &parser, Plane &plane) {
  auto digit = [&] { return parseDigit(parser, plane.digits.emplace_back()); };
  return failure(parseName(parser, roleFromName, "the role of a plane", plane.role) ||
                 parseName(parser, elementFromName, "an element type of a plane", plane.element) ||
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

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError, Layout layout) {
  Status status = checkLayout(layout);
  return status ? success() : emitError() << "C1: " << status.message(); // C1
}

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  SMLoc loc = parser.getCurrentLocation();
  Layout layout;
  if (parser.parseLess() || parser.parseInteger(layout.sizeBytes) || parser.parseKeyword("bytes"))
    return {};
  while (succeeded(parser.parseOptionalComma()))
    if (parsePlane(parser, layout.planes.emplace_back()))
      return {};
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), layout);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << '<' << getLayout().sizeBytes << " bytes";
  for (const Plane &plane : getLayout().planes) {
    printer << ", " << roleName(plane.role) << ' ' << elementName(plane.element) << " at " << plane.offsetBits << " [";
    llvm::interleaveComma(plane.digits, printer, [&](const Digit &digit) {
      printer << axisName(digit.axis) << ' ' << digit.extent << " : " << digit.strideBits;
    });
    printer << ']';
  }
  printer << '>';
}
