// SPDX-License-Identifier: MIT
#include "tests/unit/toy/snapshot.h"

#include <cstring>

namespace kvasir::runtime {
namespace {

void addBits(Snapshot &snapshot, const std::vector<float> &values) {
  const size_t first = snapshot.values.size();
  snapshot.values.resize(first + values.size());
  if (!values.empty())
    std::memcpy(&snapshot.values[first], values.data(), values.size() * sizeof(float));
}

} // namespace

Snapshot snapshotOf(const State &state) {
  Snapshot snapshot{state.length(), state.capacity(), std::vector<int32_t>(state.length()), {}, {}, {}};
  state.readIds(0, state.length(), snapshot.ids.data());
  for (size_t slot = 0; slot < state.slots().size(); ++slot) {
    const SlotDescription &description = state.slots()[slot];
    const bool isRegister = state.slots().isRegister(slot);
    snapshot.firstRows.push_back(isRegister ? 0 : state.firstHeldRow(slot));
    const uint64_t count = state.length() - snapshot.firstRows.back();
    std::vector<float> values(isRegister ? registerElements(description) : count * rowElements(description));
    for (uint64_t layer = 0; layer < description.layers; ++layer) {
      if (isRegister)
        readRegister(state, slot, layer, values.data());
      else
        readRows(state, slot, layer, snapshot.firstRows.back(), count, values.data());
      addBits(snapshot, values);
    }
  }
  for (const Checkpoint &checkpoint : state.contents().checkpoints)
    snapshot.checkpoints.push_back(checkpoint.length);
  return snapshot;
}

std::vector<std::vector<const uint8_t *>> placesOf(const State &state) {
  std::vector<std::vector<const uint8_t *>> places;
  for (size_t table = 0; table < state.slots().numTables(); ++table)
    places.emplace_back(state.table(table).pointers(), state.table(table).pointers() + state.table(table).size());
  return places;
}

} // namespace kvasir::runtime
