// SPDX-License-Identifier: MIT
#include "runtime/tools/work.h"

#include "runtime/tools/failed.h"

#include <algorithm>

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

} // namespace

const SlotDescription *findCache(const Description &description, const std::string &name) {
  const auto found = std::ranges::find(description.slots, name, &SlotDescription::name);
  return found == description.slots.end() || found->kind != SlotKind::cache ? nullptr : &*found;
}

uint64_t attentionOpsPerPair(const Description &description, const StepOp &op) {
  const SlotDescription *keys = findCache(description, op.keys), *values = findCache(description, op.values);
  return keys && values ? 2 * op.heads * (keys->width + values->width) : 0;
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
  const Activations activations = file->description().numerics.activations;
  const bool hasHead = std::ranges::any_of(*tensors, [](const WeightTensor &tensor) { return tensor.name == kHead; });
  for (const WeightTensor &tensor : *tensors) {
    const bool isLookedUp = hasHead && tensor.name == kEmbedding;
    const bool isHead = tensor.name == kHead || (!hasHead && tensor.name == kEmbedding);
    work.stepBytes += isLookedUp ? 0 : tensor.layers * tensor.sizeBytes;
    const TensorWork one{tensor.sizeBytes, 2 * matrixElements(tensor), arithmeticOf(tensor, activations)};
    Ops &of = isHead ? work.headOps : work.tokenOps;
    of[static_cast<size_t>(one.arithmetic)] += isLookedUp ? 0 : tensor.layers * one.ops;
    work.tensors.emplace(tensor.name, one);
  }
  for (const SlotDescription &slot : file->description().slots)
    if (slot.kind == SlotKind::cache)
      work.stateBytesPerRow += bytesPerRow(slot);
  work.attentionArithmetic = attentionArithmetic(file->description());
  if (const auto table = readSteps(path, *file))
    work.attentions = attentionsOf(file->description(), *table);
  return work;
}

} // namespace kvasir::tools
