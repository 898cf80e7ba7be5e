// SPDX-License-Identifier: MIT
#include "runtime/tools/work.h"

#include "runtime/tools/failed.h"

#include <algorithm>
#include <cmath>

namespace kvasir::tools {
namespace {

// Names of GGUF. The embedding is a look-up of rows, and the head as well where there is no other.
constexpr std::string_view kEmbedding = "token_embd.weight", kHead = "output.weight";

/// Elements of one layer of a matrix; 0 for a vector. Padding counts: it is read and multiplied like the rest.
uint64_t matrixElements(const WeightTensor &tensor) {
  uint64_t rows = 1, columns = 1;
  for (const Plane &plane : tensor.layout.planes) {
    if (plane.role != PlaneRole::value && plane.role != PlaneRole::code)
      continue;
    for (const Digit &digit : plane.digits) {
      rows *= digit.axis == Axis::row ? digit.extent : 1;
      columns *= digit.axis == Axis::column ? digit.extent : 1;
    }
    break;
  }
  return rows > 1 && columns > 1 ? rows * columns : 0;
}

/// What a matrix meets activations in, which are rounded to `activations` before they meet codes.
Arithmetic arithmeticOf(const WeightTensor &tensor, Activations activations) {
  for (const Plane &plane : tensor.layout.planes)
    if (plane.role == PlaneRole::value) {
      const bool isBf16 = plane.element == ElementType::bf16 && activations != Activations::exact;
      return isBf16 ? Arithmetic::bf16 : Arithmetic::f32;
    }
  return activations == Activations::int8   ? Arithmetic::int8
         : activations == Activations::bf16 ? Arithmetic::bf16
                                            : Arithmetic::f32;
}

/// What attention's products are computed in: bf16 for a model that stores rows in it and rounds activations, else f32.
Arithmetic attentionArithmetic(const Description &description) {
  const bool isBf16 = std::ranges::any_of(description.slots, [](const SlotDescription &slot) {
    return slot.kind == SlotKind::cache && !slot.layout.planes.empty() &&
           slot.layout.planes.front().element == ElementType::bf16;
  });
  return isBf16 && description.numerics.activations != Activations::exact ? Arithmetic::bf16 : Arithmetic::f32;
}

/// Of all layers.
uint64_t bytesPerRow(const SlotDescription &slot) { return slot.layout.sizeBytes / KV_BLOCK_TOKENS; }

/// Ops on the same keys share their layers.
std::vector<AttentionWork> attentionsOf(const Description &description, const StepTable &table) {
  std::vector<AttentionWork> attentions;
  for (const StepOp &op : table.ops)
    if (const uint64_t ops = attentionOpsPerPair(description, op)) {
      const SlotDescription *keys = findCache(description, op.keys), *values = findCache(description, op.values);
      const uint64_t bytes = bytesPerRow(*keys) + (keys == values ? 0 : bytesPerRow(*values));
      const auto sharing = std::ranges::count(table.ops, op.keys, &StepOp::keys);
      attentions.push_back({ops * keys->layers / sharing, bytes / sharing, op.windowTokens});
    }
  return attentions;
}

/// The op of the table that reads `name` by experts, or null.
const StepOp *expertsOf(const StepTable &table, const std::string &name) {
  const auto found = std::ranges::find_if(table.ops, [&](const StepOp &op) {
    return op.experts && std::ranges::find(op.weights, name) != op.weights.end();
  });
  return found == table.ops.end() ? nullptr : &*found;
}

/// Adds what is read of all layers of a tensor.
void addBytes(Work &work, uint64_t bytes, const StepOp *op) {
  if (!op) {
    work.sharedBytes += bytes;
    return;
  }
  const auto isAlike = [&](const ExpertWork &each) { return each.chosen == op->chosen && each.experts == op->experts; };
  auto found = std::ranges::find_if(work.experts, isAlike);
  if (found == work.experts.end())
    found = work.experts.insert(found, {0, op->chosen, op->experts});
  found->bytes += bytes;
}

} // namespace

const SlotDescription *findCache(const Description &description, const std::string &name) {
  const auto found = std::ranges::find(description.slots, name, &SlotDescription::name);
  return found == description.slots.end() || found->kind != SlotKind::cache ? nullptr : &*found;
}

uint64_t attentionOpsPerPair(const Description &description, const StepOp &op) {
  const SlotDescription *keys = findCache(description, op.keys), *values = findCache(description, op.values);
  return keys && values ? 2 * op.heads * (keys->width + values->width) : 0;
}

double readShare(uint64_t chosen, uint64_t experts, uint64_t rows) {
  if (experts == 0)
    return 1;
  return 1 - std::pow(1 - static_cast<double>(chosen) / static_cast<double>(experts), static_cast<double>(rows));
}

uint64_t Work::weightBytes(uint64_t tokens) const {
  double bytes = 0;
  for (const ExpertWork &each : experts)
    bytes += static_cast<double>(each.bytes) * readShare(each.chosen, each.experts, tokens);
  return sharedBytes + static_cast<uint64_t>(std::llround(bytes));
}

uint64_t Work::stateBytes(uint64_t depth) const {
  uint64_t bytes = stateBytesPerRow * depth;
  for (const AttentionWork &attention : attentions)
    if (attention.windowTokens && depth > attention.windowTokens)
      bytes -= attention.bytesPerRow * (depth - attention.windowTokens);
  return bytes;
}

uint64_t rowsSeen(uint64_t position, uint64_t tokens, uint64_t windowTokens) {
  uint64_t rows = 0;
  for (uint64_t end = position + 1; end <= position + tokens; ++end)
    rows += windowTokens ? std::min(end, windowTokens) : end;
  return rows;
}

std::optional<StepTable> readSteps(const std::string &path, const PluginFile &file) {
  const auto hasSteps = [](const kv_section &each) { return each.name == std::string_view("steps"); };
  if (std::ranges::none_of(file.sections(), hasSteps))
    return std::nullopt;
  const auto bytes = file.section("steps");
  if (!bytes)
    throw Failed("'" + path + "': " + bytes.message());
  auto table = stepsFromJson({reinterpret_cast<const char *>(bytes->data()), bytes->size()});
  if (!table)
    throw Failed("'" + path + "': " + table.message());
  return std::move(*table);
}

Work readWork(const std::string &path) {
  const auto file = PluginFile::open(path);
  if (!file)
    throw Failed("cannot read '" + path + "': " + file.message());
  const auto tensors = file->tensors();
  if (!tensors)
    throw Failed("cannot read '" + path + "': " + tensors.message());
  Work work;
  work.description = file->description();
  work.weightsOffset = file->manifest().weights_offset;
  work.weightsBytes = file->manifest().weights_size;
  const auto table = readSteps(path, *file);
  const Activations activations = file->description().numerics.activations;
  const bool hasHead = std::ranges::any_of(*tensors, [](const WeightTensor &tensor) { return tensor.name == kHead; });
  for (const WeightTensor &tensor : *tensors) {
    const bool isLookedUp = hasHead && tensor.name == kEmbedding;
    const bool isHead = tensor.name == kHead || (!hasHead && tensor.name == kEmbedding);
    const StepOp *experts = table ? expertsOf(*table, tensor.name) : nullptr;
    addBytes(work, isLookedUp ? 0 : tensor.layers * tensor.sizeBytes, experts);
    const TensorWork one{tensor.sizeBytes, 2 * matrixElements(tensor), arithmeticOf(tensor, activations)};
    Ops &of = isHead ? work.headOps : work.tokenOps;
    const uint64_t ops = experts ? one.ops * experts->chosen / experts->experts : one.ops;
    of[static_cast<size_t>(one.arithmetic)] += isLookedUp ? 0 : tensor.layers * ops;
    work.tensors.emplace(tensor.name, one);
  }
  for (const SlotDescription &slot : file->description().slots)
    if (slot.kind == SlotKind::cache)
      work.stateBytesPerRow += bytesPerRow(slot);
  work.attentionArithmetic = attentionArithmetic(file->description());
  if (table)
    work.attentions = attentionsOf(file->description(), *table);
  return work;
}

} // namespace kvasir::tools
