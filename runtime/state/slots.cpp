// SPDX-License-Identifier: MIT
#include "runtime/state/slots.h"

#include "runtime/state/error.h"

#include <algorithm>
#include <cstring>

namespace kvasir::runtime {

Slots::Slots(std::vector<SlotDescription> all) : descriptions(std::move(all)), zeros(descriptions.size()) {
  for (size_t slot = 0; slot < size(); ++slot) {
    pools.push_back(std::make_unique<BlockPool>(descriptions[slot].layout.sizeBytes));
    if (!isRegister(slot))
      continue;
    zeros[slot] = pools[slot]->acquire();
    std::memset(zeros[slot].bytes(), 0, pools[slot]->blockBytes());
  }
  pools.push_back(std::make_unique<BlockPool>(KV_BLOCK_TOKENS * sizeof(int32_t)));
}

size_t Slots::find(const std::string &name) const {
  std::string names;
  for (size_t slot = 0; slot < descriptions.size(); ++slot) {
    if (descriptions[slot].name == name)
      return slot;
    names += (slot ? ", " : "") + descriptions[slot].name;
  }
  throw Error(KV_BAD_INPUT, "no slot is called '" + name + "'; there are " + (names.empty() ? "none" : names));
}

bool Slots::isRegister(size_t table) const { return table < size() && descriptions[table].kind == SlotKind::reg; }

bool Slots::hasRegisters() const {
  return std::ranges::any_of(descriptions, [](const SlotDescription &slot) { return slot.kind == SlotKind::reg; });
}

bool Slots::hasOrigins() const {
  return std::ranges::any_of(descriptions, [](const SlotDescription &slot) { return slot.from.has_value(); });
}

uint64_t Slots::firstNeededRow(size_t table, uint64_t token) const {
  const uint64_t window = table < size() ? descriptions[table].windowTokens : 0;
  return window && token >= window ? token - window + 1 : 0; // a token's own row is the window's last
}

} // namespace kvasir::runtime
