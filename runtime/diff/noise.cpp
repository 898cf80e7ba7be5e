// SPDX-License-Identifier: MIT
#include "runtime/diff/noise.h"

#include "plugins/steps.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <sys/mman.h>

namespace kvasir::runtime::diff {
namespace {

bool hasSection(const PluginFile &file, std::string_view name) {
  return std::ranges::any_of(file.sections(), [&](const kv_section &each) { return each.name == name; });
}

/// Dense numbers of f32: what is padded is zero, and stays so.
bool isPlain(const WeightTensor &tensor) {
  const auto &planes = tensor.layout.planes;
  return tensor.sizeBytes >= sizeof(float) && planes.size() == 1 && planes[0].role == PlaneRole::value &&
         planes[0].element == ElementType::f32;
}

uint8_t *mapPrivately(const PluginFile &file) {
  void *bytes = mmap(nullptr, file.manifest().weights_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.descriptor(),
                     static_cast<off_t>(file.manifest().weights_offset));
  if (bytes == MAP_FAILED)
    throw std::bad_alloc();
  return static_cast<uint8_t *>(bytes);
}

} // namespace

Result<Norms> findNorms(std::shared_ptr<const PluginFile> file) {
  Norms norms{std::move(file), {}};
  if (!hasSection(*norms.file, "steps"))
    return norms;
  const auto section = norms.file->section("steps");
  if (!section)
    return Failure{section.message()};
  const auto table = stepsFromJson({reinterpret_cast<const char *>(section->data()), section->size()});
  const auto tensors = norms.file->tensors();
  if (!table || !tensors)
    return Failure{table ? tensors.message() : table.message()};
  std::set<std::string> names;
  for (const StepOp &op : table->ops)
    if (op.op == "lm.rms_norm")
      names.insert(op.weights.begin(), op.weights.end());
  for (const WeightTensor &tensor : *tensors)
    for (uint64_t layer = 0; names.contains(tensor.name) && isPlain(tensor) && layer < tensor.layers; ++layer)
      norms.runs.push_back({tensor.offsetBytes + layer * tensor.strideBytes, tensor.sizeBytes / sizeof(float)});
  return norms;
}

void NoisyModel::Unmapped::operator()(uint8_t *bytes) const { munmap(bytes, size); }

NoisyModel::NoisyModel(const Model &model, const Norms &norms, double unit)
    : runs(norms.runs), unit(unit), weights(mapPrivately(*norms.file), Unmapped{norms.file->manifest().weights_size}) {
  for (const Norms::Run &run : runs) {
    numbers.resize(numbers.size() + run.count);
    std::memcpy(&numbers[numbers.size() - run.count], weights.get() + run.offsetBytes, run.count * sizeof(float));
  }
  Program program = model.loaded();
  program.weights = weights.get();
  noisy = std::make_unique<Model>(std::move(program), ModelOptions{.threads = model.threads()});
}

void NoisyModel::draw(uint64_t number) {
  std::mt19937_64 random(number);
  const float *next = numbers.data();
  for (const Norms::Run &run : runs)
    for (uint64_t i = 0; i < run.count; ++i, ++next) {
      const float moved = static_cast<float>(double{*next} * (random() & 1 ? 1 + unit : 1 - unit));
      std::memcpy(weights.get() + run.offsetBytes + i * sizeof moved, &moved, sizeof moved);
    }
}

} // namespace kvasir::runtime::diff
