// SPDX-License-Identifier: MIT
#include "compiler/driver/random_weights.h"

#include "compiler/dialects/lm/dialect.h"
#include "compiler/packing/weight_type.h"
#include "plugins/member_name.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>

using namespace kvasir;

namespace {
/// Of bytes as `add` stores them: the row's arrays, one after the other.
void unpackRow(const uint8_t *bytes, WeightRow &row) {
  for (std::span<uint8_t> array : row.arrays()) {
    std::copy_n(bytes, array.size(), array.begin());
    bytes += array.size();
  }
}

/// In [-1, 1). Not of std::uniform_real_distribution, whose numbers differ between libraries.

/// Scales (and mins) about as large as those of one level, in multiples of either sign.
void drawLevels(WeightRow &row, std::mt19937_64 &random, float step) {
  const WeightForm &form = row.form();
  for (uint64_t i = 0; i < row.columns() / kSuperblock; ++i) {
    setFloatAt(ElementType::f16, row.units(), i, step / 64 * (1 + 0.5f * drawNumber(random)));
    if (form.min)
      setFloatAt(ElementType::f16, row.minUnits(), i, -0.1f / 64);
  }
  for (uint64_t group = 0; group < row.columns() / form.group; ++group) {
    row.scales()[group] = uint8_t(random() >> 56);
    if (form.min)
      row.mins()[group] = uint8_t(random() >> 58);
  }
}

uint8_t drawCode(const WeightForm &form, std::mt19937_64 &random) {
  if (form.values)
    return uint8_t((*form.values)[random() >> 60]);
  return uint8_t(random() >> (64 - elementBits(form.codes)));
}

void drawRow(WeightRow &row, std::mt19937_64 &random, bool isVector) {
  const WeightForm &form = row.form();
  for (uint64_t column = 0; column < row.columns(); ++column)
    if (form.group)
      row.codes()[column] = drawCode(form, random);
    else
      setFloatAt(form.codes, row.codes(), column, (isVector ? 1 : 0) + 0.1f * drawNumber(random));
  uint64_t numGroups = form.group ? row.columns() / form.group : 0;
  float step = 0.2f / float(form.values ? form.values->back() - form.values->front() : 1 << elementBits(form.codes));
  if (form.hasUnits())
    return drawLevels(row, random, step);
  for (uint64_t group = 0; group < numGroups; ++group) {
    setFloatAt(form.scale, row.scales(), group, step * (1 + 0.5f * drawNumber(random)));
    if (form.min)
      setFloatAt(*form.min, row.mins(), group, form.zero ? 0 : -0.1f);
  }
}

} // namespace

RandomWeights::RandomWeights(mlir::ModuleOp program, uint64_t seed) {
  for (auto weight : program.getOps<lm::WeightOp>()) {
    auto type = mlir::cast<lm::WeightType>(weight.getType());
    for (uint64_t layer = 0; layer < weight.getFamily(); ++layer)
      add(memberName(std::string_view(weight.getSource()), layer), formOf(type), type.getNumRows(),
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
  for (uint64_t i = 0; i < rows; ++i) {
    drawRow(row, random, rows == 1);
    for (std::span<uint8_t> array : row.arrays())
      tensor.bytes.insert(tensor.bytes.end(), array.begin(), array.end());
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
