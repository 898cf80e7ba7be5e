// SPDX-License-Identifier: MIT
// All that can be seen of a state, to be compared.
#ifndef KVASIR_TESTS_UNIT_SNAPSHOT_H
#define KVASIR_TESTS_UNIT_SNAPSHOT_H

#include "runtime/state/rows.h"

namespace kvasir::runtime {

/// What a conversation is, to the bit.
struct Snapshot {
  uint64_t length = 0, capacity = 0;
  std::vector<int32_t> ids;
  std::vector<uint64_t> firstRows;   ///< [slots]
  std::vector<uint32_t> values;      ///< bits of held rows and of registers, slot by slot, layer by layer
  std::vector<uint64_t> checkpoints; ///< lengths

  bool operator==(const Snapshot &) const = default;
};

Snapshot snapshotOf(const State &state);

/// Where the blocks of a state lie: [tables][blocks].
std::vector<std::vector<const uint8_t *>> placesOf(const State &state);

} // namespace kvasir::runtime

#endif
