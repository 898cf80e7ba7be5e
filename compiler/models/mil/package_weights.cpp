// SPDX-License-Identifier: MIT
#include "compiler/models/mil/package_weights.h"

#include "compiler/models/mil/compressed.h"
#include "compiler/packing/weight_type.h"
#include "plugins/member_name.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

void copyRow(const uint8_t *bytes, WeightRow &row) {
  std::memcpy(row.codes(), bytes, row.columns() * codeBytes(row.form()));
}

/// Rows of a matrix that lies as columns: [K, N] row major.
class TurnedRows final : public RowReader {
public:
  TurnedRows(std::span<const uint8_t> bytes, uint64_t rows) : bytes(bytes), rows(rows) {}

  void read(uint64_t row, WeightRow &into) const override {
    const uint64_t size = codeBytes(into.form());
    for (uint64_t column = 0; column < into.columns(); ++column)
      std::memcpy(into.codes() + column * size, bytes.data() + (column * rows + row) * size, size);
  }

private:
  std::span<const uint8_t> bytes;
  uint64_t rows;
};

/// Rows of what a formula gives.
class CompressedRows final : public RowReader {
public:
  explicit CompressedRows(std::shared_ptr<const Compressed> source) : source(std::move(source)) {}

  void read(uint64_t row, WeightRow &into) const override {
    std::vector<float> numbers(into.columns());
    source->read(row * into.columns(), into.columns(), numbers.data());
    for (uint64_t column = 0; column < into.columns(); ++column)
      setFloatAt(into.form().codes, into.codes(), column, numbers[column]);
  }

private:
  std::shared_ptr<const Compressed> source;
};

int64_t extentAt(const Tensor &tensor, int64_t dim) {
  return dim < tensor.rank() ? tensor.dims[dim].constant().value_or(0) : 1;
}

/// The constants that the elements are made of, the largest first.
std::vector<const coreml::Constant *> partsOf(const Tensor &tensor) {
  return tensor.compressed ? tensor.compressed->parts : std::vector{tensor.constant};
}

/// The members' names with {} in the place of the layer; empty if that is not what they are.
std::string patternOf(ArrayRef<std::string> names) {
  const std::string &first = names.front();
  for (size_t at = first.find('0'); at != std::string::npos; at = first.find('0', at + 1)) {
    std::string pattern = first;
    pattern.replace(at, 1, "{}");
    const auto isMember = [&](auto pair) { return memberName(pattern, pair.index()) == pair.value(); };
    if (llvm::all_of(llvm::enumerate(names), isMember))
      return pattern;
  }
  return "";
}

/// "layers_{}_q_proj" => "layers_q_proj", "q_proj.{}" => "q_proj"
std::string withoutLayer(std::string pattern) {
  const size_t at = pattern.find("{}");
  const bool isEnd = at + 2 == pattern.size();
  const bool isBetween = at > 0 && !llvm::isAlnum(pattern[at - 1]) && (isEnd || pattern[at - 1] == pattern[at + 2]);
  return isBetween ? pattern.erase(at - 1, 3) : pattern.erase(at, 2);
}

} // namespace

bool PackageWeights::canHold(const Tensor &tensor) {
  if ((!tensor.constant && !tensor.compressed) || tensor.rank() == 0 ||
      (tensor.element != Element::f16 && tensor.element != Element::f32))
    return false;
  for (int64_t i = 0; i < tensor.rank(); ++i)
    if (extentAt(tensor, i) < 1 || (i > 1 && extentAt(tensor, i) != 1))
      return false;
  return true;
}

const coreml::Constant *PackageWeights::keep(coreml::TensorType type, std::vector<uint8_t> bytes) {
  auto &[constant, kept] = computed.emplace_back();
  kept = std::move(bytes);
  constant.type = std::move(type);
  constant.bytes = kept;
  return &constant;
}

const PackageWeights::Entry &PackageWeights::add(const Tensor &tensor, std::string name, Order order) {
  const bool isVector = tensor.rank() == 1;
  uint64_t rows = isVector ? 1 : extentAt(tensor, 0), columns = extentAt(tensor, isVector ? 0 : 1);
  if (order == Order::turned)
    std::swap(rows, columns);
  std::vector<const uint8_t *> parts;
  for (const coreml::Constant *part : partsOf(tensor))
    parts.push_back(part->bytes.data());
  const Entry *&known = byPlace[{std::move(parts), isVector ? 0 : rows, columns, order}];
  if (known)
    return *known;
  while (contains(name)) // another function's
    name += "_";
  Entry &entry = entries.emplace_back();
  entry.name = std::move(name);
  std::span<const uint8_t> bytes = partsOf(tensor).front()->bytes;
  if (tensor.compressed && order == Order::asItLies) {
    entry.reader = std::make_unique<CompressedRows>(tensor.compressed);
  } else if (order == Order::turned) {
    if (tensor.compressed)
      bytes = keep(tensor.compressed->type, wholeOf(*tensor.compressed))->bytes;
    entry.reader = std::make_unique<TurnedRows>(bytes, rows);
  }
  WeightForm form;
  form.codes = tensor.element == Element::f16 ? ElementType::f16 : ElementType::f32;
  entry.tensor = {entry.name, rows, columns, form, bytes, copyRow, entry.reader.get()};
  byName.emplace(entry.name, &entry);
  return *(known = &entry);
}

lm::WeightOp PackageWeights::declare(ModuleOp module, const Tensor &tensor, StringRef name, Order order) {
  const Entry &entry = add(tensor, name.str(), order);
  const std::string symbol = "weight." + entry.name;
  if (auto declared = module.lookupSymbol<lm::WeightOp>(symbol))
    return declared;
  WeightForm form = entry.tensor.form;
  SmallVector<int64_t> shape{int64_t(entry.tensor.rows), int64_t(entry.tensor.columns)};
  if (tensor.rank() == 1) {
    shape.erase(shape.begin());
    form.codes = ElementType::f32;
  }
  Block *body = module.getBody(); // weights first, in the order of their use: so they are streamed
  OpBuilder builder(body, llvm::find_if(*body, [](Operation &op) { return !isa<lm::WeightOp>(op); }));
  return builder.create<lm::WeightOp>(NameLoc::get(builder.getStringAttr(name)), symbol, 1, entry.name,
                                      weightTypeOf(module.getContext(), form, shape));
}

lm::WeightOp PackageWeights::declareFamily(ArrayRef<lm::WeightOp> members) {
  SmallVector<std::string> names;
  for (lm::WeightOp member : members)
    names.push_back(member.getSource().str());
  std::string pattern = patternOf(names);
  if (pattern.empty()) {
    pattern = names.front() + ".{}";
    while (contains(memberName(pattern, 0)))
      pattern.insert(pattern.size() - 2, "_");
    for (auto [layer, name] : llvm::enumerate(names))
      aliases[memberName(pattern, layer)] = entryOf(name);
  }
  auto module = lm::WeightOp(members.front())->getParentOfType<ModuleOp>();
  std::string symbol = "weight." + withoutLayer(pattern);
  while (module.lookupSymbol(symbol))
    symbol += "_";
  OpBuilder builder(members.front());
  return builder.create<lm::WeightOp>(NameLoc::get(builder.getStringAttr(withoutLayer(pattern))), symbol,
                                      int64_t(members.size()), pattern, lm::WeightOp(members.front()).getType());
}

const PackageWeights::Entry *PackageWeights::entryOf(std::string_view name) const {
  if (const auto found = byName.find(name); found != byName.end())
    return found->second;
  const auto alias = aliases.find(name);
  return alias == aliases.end() ? nullptr : alias->second;
}

Result<SourceTensor> PackageWeights::find(std::string_view name) const {
  const Entry *entry = entryOf(name);
  if (!entry)
    return Failure{"there is no constant '" + std::string(name) + "'"};
  return entry->tensor;
}

std::vector<std::string_view> PackageWeights::names() const {
  std::vector<std::string_view> list;
  for (const Entry &entry : entries)
    list.push_back(entry.name);
  return list;
}

} // namespace kvasir::mil
