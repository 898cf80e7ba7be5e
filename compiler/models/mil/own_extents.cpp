// SPDX-License-Identifier: MIT
#include "compiler/models/mil/own_extents.h"

#include "compiler/dialects/kv/dialect.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

/// What an extent may be at most where the package sets no limit.
constexpr int64_t kMostExtent = INT32_MAX;

} // namespace

OwnExtents::OwnExtents(func::FuncOp function) : function(function) {
  if (auto own = function->getAttrOfType<DictionaryAttr>(kOwnExtentsAttr))
    for (NamedAttribute entry : own)
      entries[entry.getName().strref().front()] = entry.getValue();
}

Scalar OwnExtents::add(ImplicitLocOpBuilder &b, Value input, int64_t dim, const coreml::DimRange &range,
                       std::string &letters) {
  const char letter = char('a' + std::min<size_t>(entries.size(), 25));
  int64_t from = std::max<int64_t>(range.from, 1), to = range.to == coreml::kAnySize ? kMostExtent : range.to;
  to = std::clamp(to, from, std::max(from, kMostExtent));
  Attribute entry = b.getDictionaryAttr(
      {b.getNamedAttr("from", b.getI64IntegerAttr(from)), b.getNamedAttr("to", b.getI64IntegerAttr(to))});
  if (!range.values.empty()) {
    entry = b.getDictionaryAttr({b.getNamedAttr("values", b.getDenseI64ArrayAttr(range.values))});
    from = *std::min_element(range.values.begin(), range.values.end());
    to = *std::max_element(range.values.begin(), range.values.end());
  }
  entries[entries.size() < 26 ? letter : char('z' + 1)] = entry;
  letters.push_back(letter);
  Value extent = b.create<tensor::DimOp>(input, dim);
  if (from == to) // still an extent of the call: the type of the input is open
    to = from + 1;
  Scalar scalar{extent, from, to, true, extent, 0};
  return scalar;
}

/// Of an open extent of an input.
std::optional<char> OwnExtents::letterOf(const CallNumber &number) const {
  func::FuncOp owner = function; // whose accessors are not const
  auto letters = owner.getArgAttrOfType<StringAttr>(number.input, kExtentsAttr);
  auto type = cast<RankedTensorType>(owner.getArgumentTypes()[number.input]);
  if (!number.isExtent() || !letters)
    return std::nullopt;
  return letters.getValue()[llvm::count_if(type.getShape().take_front(number.index), ShapedType::isDynamic)];
}

/// Nothing if an element of an input is in it, or letters are all taken.
std::optional<char> OwnExtents::letterOf(const CallSum &sum) {
  for (const auto &[letter, known] : sums)
    if (known == sum)
      return letter;
  if (const CallNumber *number = sum.single())
    return letterOf(*number);
  std::map<char, int64_t> factors;
  for (const auto &[number, factor] : sum.terms) {
    std::optional<char> letter = letterOf(number);
    if (!letter)
      return std::nullopt;
    factors[*letter] += factor;
  }
  if (factors.empty() || entries.size() >= 26)
    return std::nullopt;
  Builder b(function.getContext());
  SmallVector<NamedAttribute> terms;
  for (const auto &[letter, factor] : factors)
    terms.push_back(b.getNamedAttr(StringRef(&letter, 1), b.getI64IntegerAttr(factor)));
  const char letter = char('a' + entries.size());
  entries[letter] = b.getDictionaryAttr({b.getNamedAttr("constant", b.getI64IntegerAttr(sum.constant)),
                                         b.getNamedAttr("terms", b.getDictionaryAttr(terms))});
  sums[letter] = sum;
  return letter;
}

std::optional<std::string> OwnExtents::lettersOf(ArrayRef<Scalar> dims) {
  std::string letters;
  for (const Scalar &dim : dims) {
    if (dim.constant())
      continue;
    if (Operation *maker = dim.value.getDefiningOp(); isa_and_nonnull<kv::TokensOp, kv::LengthOp>(maker)) {
      letters.push_back(isa<kv::TokensOp>(maker) ? 'T' : 'S');
      continue;
    }
    const std::optional<CallSum> sum = callSumOf(dim.value);
    const std::optional<char> letter = sum ? letterOf(*sum) : std::nullopt;
    if (!letter)
      return std::nullopt;
    letters.push_back(*letter);
  }
  return letters;
}

void OwnExtents::write() {
  if (entries.empty())
    return;
  Builder b(function.getContext());
  SmallVector<NamedAttribute> attributes;
  for (const auto &[letter, entry] : entries)
    attributes.push_back(b.getNamedAttr(StringRef(&letter, 1), entry));
  function->setAttr(kOwnExtentsAttr, b.getDictionaryAttr(attributes));
}

} // namespace kvasir::mil
