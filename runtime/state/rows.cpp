// SPDX-License-Identifier: MIT
#include "runtime/state/rows.h"

#include "runtime/state/plane_rows.h"
#include "runtime/state/split.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace kvasir::runtime {
namespace {

const Plane &valuePlane(const SlotDescription &slot) {
  const auto plane = std::ranges::find(slot.layout.planes, PlaneRole::value, &Plane::role);
  if (plane == slot.layout.planes.end())
    throw Error(KV_UNSUPPORTED, "the layout of slot " + slot.name + " has no values");
  return *plane;
}

/// The plane of this role, if the layout has one.
std::optional<PlaneRows> findPlane(PlaneRole role, const SlotDescription &slot, uint64_t layer) {
  const auto &planes = slot.layout.planes;
  const auto found = std::ranges::find(planes, role, &Plane::role);
  return found == planes.end() ? std::nullopt : std::optional(PlaneRows(*found, slot, layer));
}

void requireLayer(const SlotDescription &slot, uint64_t layer) {
  if (layer >= slot.layers)
    throw Error(KV_BAD_INPUT, "slot " + slot.name + " has " + std::to_string(slot.layers) +
                                  " layers; there is no layer " + std::to_string(layer));
}

void requireRows(const State &state, size_t slotIndex, uint64_t layer, uint64_t first, uint64_t count) {
  const SlotDescription &slot = state.slots()[slotIndex];
  if (slot.kind != SlotKind::cache)
    throw Error(KV_BAD_INPUT, "slot " + slot.name + " is a register and has no rows");
  requireLayer(slot, layer);
  if (first > state.length() || count > state.length() - first)
    throw Error(KV_BAD_INPUT, "the state holds " + std::to_string(state.length()) + " rows; " + std::to_string(count) +
                                  " rows from row " + std::to_string(first) + " on are not all there");
  if (count > 0 && first < state.firstHeldRow(slotIndex))
    throw Error(KV_BAD_INPUT, "slot " + slot.name + " keeps a window of " + std::to_string(slot.windowTokens) +
                                  " rows; the first that is held is row " +
                                  std::to_string(state.firstHeldRow(slotIndex)));
}

/// Gives the state blocks of its own where others share those of these rows.
std::vector<BlockRef> copyShared(const State &state, size_t slot, uint64_t firstBlock, uint64_t lastBlock) {
  const BlockPool &pool = state.slots().pool(slot);
  std::vector<BlockRef> copies(lastBlock - firstBlock);
  for (uint64_t i = firstBlock; i < lastBlock; ++i)
    if (const BlockRef &block = state.table(slot)[i]; block.isShared()) {
      copies[i - firstBlock] = state.slots().pool(slot).acquire();
      std::memcpy(copies[i - firstBlock].bytes(), block.bytes(), pool.blockBytes());
    }
  return copies;
}

} // namespace

uint64_t rowElements(const SlotDescription &slot) { return slot.heads * slot.width; }

uint64_t registerElements(const SlotDescription &slot) {
  uint64_t elements = 1;
  for (const uint64_t extent : slot.shape)
    elements *= extent;
  return elements;
}

void readRows(const State &state, size_t slotIndex, uint64_t layer, uint64_t first, uint64_t count, float *rows) {
  const SlotDescription &slot = state.slots()[slotIndex];
  requireRows(state, slotIndex, layer, first, count);
  const auto value = findPlane(PlaneRole::value, slot, layer);
  const auto code = findPlane(PlaneRole::code, slot, layer);
  const auto scale = findPlane(PlaneRole::scale, slot, layer);
  const auto min = findPlane(PlaneRole::min, slot, layer);
  if (!value && !(code && scale))
    throw Error(KV_UNSUPPORTED, "the layout of slot " + slot.name + " has neither values nor codes with scales");
  for (uint64_t row = first; row < first + count; ++row) {
    const uint8_t *block = state.table(slotIndex)[row / KV_BLOCK_TOKENS].bytes();
    const uint64_t token = row % KV_BLOCK_TOKENS;
    for (uint64_t element = 0; element < rowElements(slot); ++element)
      *rows++ = value ? value->load(block, token, element)
                      : scale->load(block, token, element) * code->load(block, token, element) +
                            (min ? min->load(block, token, element) : 0.0f);
  }
}

std::vector<float> rowsOf(const State &state, size_t slot, uint64_t layer, uint64_t first, uint64_t count) {
  std::vector<float> rows(count * rowElements(state.slots()[slot]));
  readRows(state, slot, layer, first, count, rows.data());
  return rows;
}

void writeRows(State &state, size_t slotIndex, uint64_t layer, uint64_t first, uint64_t count, const float *rows) {
  const SlotDescription &slot = state.slots()[slotIndex];
  requireRows(state, slotIndex, layer, first, count);
  const auto value = findPlane(PlaneRole::value, slot, layer);
  if (slot.layout.planes.size() != 1 || !value || !isFloat(value->plane->element))
    throw Error(KV_UNSUPPORTED, "the rows of slot " + slot.name + " are not stored as floating-point values");
  const uint64_t firstBlock = first / KV_BLOCK_TOKENS;
  auto copies = copyShared(state, slotIndex, firstBlock, count ? blocksFor(first + count) : firstBlock);
  BlockTable &table = state.held.tables[slotIndex];
  for (size_t i = 0; i < copies.size(); ++i)
    if (copies[i])
      table.replace(firstBlock + i, std::move(copies[i]));
  for (uint64_t row = first; row < first + count; ++row)
    for (uint64_t element = 0; element < rowElements(slot); ++element)
      value->store(table[row / KV_BLOCK_TOKENS].bytes(), row % KV_BLOCK_TOKENS, element, *rows++);
}

void readRegister(const State &state, size_t slotIndex, uint64_t layer, float *values) {
  const SlotDescription &slot = state.slots()[slotIndex];
  if (slot.kind != SlotKind::reg)
    throw Error(KV_BAD_INPUT, "slot " + slot.name + " is a cache, not a register");
  requireLayer(slot, layer);
  loadRegister(slot, wholeRegister(state, slotIndex).bytes(), layer, values);
}

void loadRegister(const SlotDescription &slot, const uint8_t *block, uint64_t layer, float *values) {
  const Plane &plane = valuePlane(slot);
  for (uint64_t element = 0; element < registerElements(slot); ++element)
    values[element] = loadElement(block, registerBit(plane, layer, element), plane.element);
}

void storeRegister(const SlotDescription &slot, uint8_t *block, uint64_t layer, const float *values) {
  const Plane &plane = valuePlane(slot);
  if (!isFloat(plane.element))
    throw Error(KV_UNSUPPORTED, "slot " + slot.name + " is not stored as floating-point values");
  for (uint64_t element = 0; element < registerElements(slot); ++element)
    storeElement(block, registerBit(plane, layer, element), plane.element, values[element]);
}

} // namespace kvasir::runtime
