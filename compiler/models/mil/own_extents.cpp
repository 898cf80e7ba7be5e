// SPDX-License-Identifier: MIT
#include "compiler/models/mil/own_extents.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace kvasir::mil {
namespace {

/// What an extent may be at most where the package sets no limit.
constexpr int64_t kMostExtent = INT32_MAX;
constexpr int kDeepest = 64;

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
  Attribute entry = b.getDictionaryAttr({b.getNamedAttr("from", b.getI64IntegerAttr(from)),
                                         b.getNamedAttr("to", b.getI64IntegerAttr(to))});
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

std::optional<OwnExtents::Sum> OwnExtents::combined(Operation *op, int64_t sign, int depth) const {
  std::optional<Sum> lhs = sumOf(op->getOperand(0), depth + 1), rhs = sumOf(op->getOperand(1), depth + 1);
  if (!lhs || !rhs)
    return std::nullopt;
  lhs->constant += sign * rhs->constant;
  for (const auto &[letter, factor] : rhs->terms)
    if ((lhs->terms[letter] += sign * factor) == 0)
      lhs->terms.erase(letter);
  return lhs;
}

/// Bounds are passed over: what they change is refused in a call, where the sum is checked, too.
std::optional<OwnExtents::Sum> OwnExtents::sumOf(Value value, int depth) const {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return Sum{constant.getSExtValue(), {}};
  Operation *op = value.getDefiningOp();
  if (!op || depth > kDeepest)
    return std::nullopt;
  if (auto extent = dyn_cast<tensor::DimOp>(op)) {
    auto argument = dyn_cast<BlockArgument>(extent.getSource());
    func::FuncOp owner = function; // whose accessors are not const
    auto letters = argument ? owner.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kExtentsAttr) : StringAttr();
    std::optional<int64_t> dim = extent.getConstantIndex();
    auto type = cast<RankedTensorType>(extent.getSource().getType());
    if (!letters || !dim)
      return std::nullopt;
    const int64_t before = llvm::count_if(type.getShape().take_front(*dim), ShapedType::isDynamic);
    return Sum{0, {{letters.getValue()[before], 1}}};
  }
  if (isa<arith::AddIOp, arith::SubIOp>(op))
    return combined(op, isa<arith::AddIOp>(op) ? 1 : -1, depth);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::MaxSIOp, arith::MinSIOp>(op))
    return sumOf(op->getOperand(0), depth + 1);
  if (!isa<arith::MulIOp>(op))
    return std::nullopt;
  std::optional<Sum> lhs = sumOf(op->getOperand(0), depth + 1), rhs = sumOf(op->getOperand(1), depth + 1);
  if (!lhs || !rhs || (!lhs->terms.empty() && !rhs->terms.empty()))
    return std::nullopt;
  const int64_t factor = lhs->terms.empty() ? lhs->constant : rhs->constant;
  Sum &scaled = lhs->terms.empty() ? *rhs : *lhs;
  scaled.constant *= factor;
  for (auto &[letter, own] : scaled.terms)
    own *= factor;
  return factor ? scaled : Sum();
}

char OwnExtents::letterOf(const Sum &sum) {
  if (sum.constant == 0 && sum.terms.size() == 1 && sum.terms.begin()->second == 1)
    return sum.terms.begin()->first;
  for (const auto &[letter, known] : sums)
    if (known == sum)
      return letter;
  const char letter = char('a' + entries.size());
  Builder b(function.getContext());
  SmallVector<NamedAttribute> terms;
  for (const auto &[term, factor] : sum.terms)
    terms.push_back(b.getNamedAttr(StringRef(&term, 1), b.getI64IntegerAttr(factor)));
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
    std::optional<Sum> sum = sumOf(dim.value);
    if (!sum || sum->terms.empty() || entries.size() >= 26)
      return std::nullopt;
    letters.push_back(letterOf(*sum));
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
