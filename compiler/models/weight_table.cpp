// SPDX-License-Identifier: MIT
#include "compiler/models/weight_table.h"

#include "compiler/frontends/gguf/metadata.h"
#include "compiler/packing/weight_type.h"
#include "plugins/member_name.h"

using namespace mlir;

namespace kvasir {
namespace {

/// "blk.{}.attn_q.weight" → attn_q, "blk.{}.attn_q.bias" → attn_q_bias, "output_norm.weight" → output_norm.
std::string symbolOf(StringRef pattern) {
  pattern.consume_front("blk.{}.");
  pattern.consume_back(".weight");
  std::string symbol = pattern.str();
  std::replace(symbol.begin(), symbol.end(), '.', '_');
  return symbol;
}

std::string dimensions(uint64_t rows, uint64_t columns) {
  return rows == 1 ? std::to_string(columns) : std::to_string(rows) + " x " + std::to_string(columns);
}

} // namespace

void WeightTable::fail(std::string message) {
  if (!first)
    first = Failure{std::move(message)};
}

std::optional<WeightForm> WeightTable::memberForm(const std::string &name, ArrayRef<int64_t> shape) {
  Result<SourceTensor> tensor = source.find(name);
  if (!tensor) {
    fail(tensor.message());
    return std::nullopt;
  }
  uint64_t rows = shape.size() == 2 ? uint64_t(shape.front()) : 1, columns = uint64_t(shape.back());
  if (tensor->rows != rows || tensor->columns != columns) {
    fail("tensor " + inQuotes(name) + " is " + dimensions(tensor->rows, tensor->columns) + "; " +
         dimensions(rows, columns) + " is expected");
    return std::nullopt;
  }
  use(name);
  return tensor->form;
}

/// A file that says that it has two thousand million layers is not asked for each.
bool WeightTable::hasRoomFor(int64_t layers) {
  const size_t numTensors = source.names().size();
  if (layers > 1 && uint64_t(layers) > numTensors)
    fail("the file says that it has " + std::to_string(layers) + " layers; it has " + std::to_string(numTensors) +
         " tensors");
  return !first;
}

lm::WeightOp WeightTable::declare(StringRef pattern, int64_t layers, ArrayRef<int64_t> shape) {
  return declareAs(pattern, pattern, layers, shape);
}

std::vector<lm::WeightOp> WeightTable::declareParts(StringRef pattern, int64_t layers, int64_t columns,
                                                    ArrayRef<std::pair<StringRef, int64_t>> parts) {
  int64_t rows = 0;
  std::vector<lm::WeightOp> weights;
  for (const auto &[name, count] : parts) {
    std::string range = "[" + std::to_string(rows) + ":" + std::to_string(rows + count) + "]";
    weights.push_back(declareAs(name, pattern.str() + range, layers, {count, columns}));
    rows += first ? 0 : count;
  }
  for (int64_t layer = 0; !first && layer < layers; ++layer)
    memberForm(memberName(pattern, uint64_t(layer)), {rows, columns}); // no row is left over
  return weights;
}

lm::WeightOp WeightTable::declareAs(StringRef name, StringRef pattern, int64_t layers, ArrayRef<int64_t> shape) {
  if (first || !hasRoomFor(layers))
    return {};
  std::optional<WeightForm> form;
  SmallVector<Type> members;
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::optional<WeightForm> member = memberForm(memberName(pattern, uint64_t(layer)), shape);
    if (!member)
      return {};
    members.push_back(weightTypeOf(builder.getContext(), *member, shape));
    form = form ? joinForms(*form, *member) : *member;
  }
  return builder.create<lm::WeightOp>(locationOf(builder.getContext(), name), symbolOf(name), layers, pattern,
                                      weightTypeOf(builder.getContext(), *form, shape),
                                      llvm::all_equal(members) ? ArrayAttr() : builder.getTypeArrayAttr(members));
}

bool WeightTable::isPresent(StringRef pattern, int64_t layers) {
  if (first || !hasRoomFor(layers))
    return false;
  for (int64_t layer = 0; layer < layers; ++layer)
    if (source.contains(memberName(pattern, uint64_t(layer))))
      return true;
  return false;
}

lm::WeightOp WeightTable::declareIfPresent(StringRef pattern, int64_t layers, ArrayRef<int64_t> shape) {
  return isPresent(pattern, layers) ? declare(pattern, layers, shape) : lm::WeightOp();
}

lm::WeightOp WeightTable::declareAsVectorIfPresent(StringRef pattern, int64_t layers, int64_t rows, int64_t columns) {
  if (!isPresent(pattern, layers))
    return {};
  for (int64_t layer = 0; layer < layers; ++layer)
    if (!memberForm(memberName(pattern, uint64_t(layer)), {rows, columns}))
      return {};
  return declareAs(pattern, pattern.str() + "[:]", layers, {rows * columns});
}

void WeightTable::checkAllUsed(StringRef architecture) {
  for (std::string_view name : source.names())
    if (!used.contains(name))
      return fail("tensor " + inQuotes(name) + " has no place in the architecture " + architecture.str() +
                  " as it is built here");
}

Location locationOf(MLIRContext *context, StringRef pattern) {
  std::string name = withoutNumbers(std::string_view(pattern), "{layer}");
  StringRef whole = name;
  whole.consume_back(".weight");
  return NameLoc::get(StringAttr::get(context, whole));
}

} // namespace kvasir
