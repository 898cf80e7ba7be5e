// SPDX-License-Identifier: MIT
#include "compiler/driver/random_weights.h"

#include "compiler/dialects/lm/dialect.h"
#include "compiler/packing/weight_type.h"
#include "llvm/Support/xxhash.h"

#include <cstring>
#include <random>

using namespace kvasir;

namespace {
/// The row's codes, scales and mins, one after the other: what `add` stores.
void unpackRow(const uint8_t *bytes, WeightRow &row) {
  uint64_t numCodeBytes = row.columns() * codeBytes(row.form());
  uint64_t numGroups = row.form().group ? row.columns() / row.form().group : 0;
  uint64_t numScaleBytes = numGroups * elementBits(row.form().scale) / 8;
  std::memcpy(row.codes(), bytes, numCodeBytes);
  if (numGroups)
    std::memcpy(row.scales(), bytes + numCodeBytes, numScaleBytes);
  if (numGroups && row.form().min)
    std::memcpy(row.mins(), bytes + numCodeBytes + numScaleBytes, numGroups * elementBits(*row.form().min) / 8);
}

/// In [-1, 1). Not of std::uniform_real_distribution, whose numbers differ between libraries.
float drawNumber(std::mt19937_64 &random) { return float(int64_t(random() >> 40) - (1 << 23)) * 0x1p-23f; }

void drawRow(WeightRow &row, std::mt19937_64 &random, bool isVector) {
  const WeightForm &form = row.form();
  for (uint64_t column = 0; column < row.columns(); ++column)
    if (form.group)
      row.codes()[column] = form.codes == ElementType::i8 ? random() >> 56 : random() >> (64 - elementBits(form.codes));
    else
      setFloatAt(form.codes, row.codes(), column, (isVector ? 1 : 0) + 0.1f * drawNumber(random));
  uint64_t numGroups = form.group ? row.columns() / form.group : 0;
  float step = 0.2f / float(1 << elementBits(form.codes));
  for (uint64_t group = 0; group < numGroups; ++group) {
    setFloatAt(form.scale, row.scales(), group, step * (1 + 0.5f * drawNumber(random)));
    if (form.min)
      setFloatAt(*form.min, row.mins(), group, form.zero ? 0 : -0.1f);
  }
}

void append(std::vector<uint8_t> &bytes, const uint8_t *from, uint64_t count) {
  bytes.insert(bytes.end(), from, from + count);
}
} // namespace

RandomWeights::RandomWeights(mlir::ModuleOp program, uint64_t seed) {
  for (auto weight : program.getOps<lm::WeightOp>()) {
    auto type = mlir::cast<lm::WeightType>(weight.getType());
    for (uint64_t layer = 0; layer < weight.getFamily(); ++layer)
      add(sourceName(std::string_view(weight.getSource()), layer), formOf(type), type.getNumRows(),
          type.getNumColumns(), seed);
  }
}

void RandomWeights::add(std::string name, const WeightForm &form, uint64_t rows, uint64_t columns, uint64_t seed) {
  if (contains(name))
    return;
  Tensor &tensor = store.emplace_back();
  tensor.name = std::move(name);
  std::mt19937_64 random(seed ^ llvm::xxh3_64bits(tensor.name));
  WeightRow row(form, columns);
  uint64_t numGroups = form.group ? columns / form.group : 0;
  for (uint64_t i = 0; i < rows; ++i) {
    drawRow(row, random, rows == 1);
    append(tensor.bytes, row.codes(), columns * codeBytes(form));
    append(tensor.bytes, row.scales(), numGroups * elementBits(form.scale) / 8);
    append(tensor.bytes, row.mins(), form.min ? numGroups * elementBits(*form.min) / 8 : 0);
  }
  tensor.view = {tensor.name, rows, columns, form, tensor.bytes, unpackRow};
  tensors.emplace(tensor.name, &tensor);
}

Result<SourceTensor> RandomWeights::find(std::string_view name) const {
  auto found = tensors.find(name);
  if (found == tensors.end())
    return Failure{"there is no tensor '" + std::string(name) + "'"};
  return found->second->view;
}

std::vector<std::string_view> RandomWeights::names() const {
  std::vector<std::string_view> list;
  for (const Tensor &tensor : store)
    list.push_back(tensor.name);
  return list;
}
