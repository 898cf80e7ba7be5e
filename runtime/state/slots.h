// SPDX-License-Identifier: MIT
// What the states of one model have in common.
#ifndef KVASIR_RUNTIME_STATE_SLOTS_H
#define KVASIR_RUNTIME_STATE_SLOTS_H

#include "plugins/description.h"
#include "runtime/state/block_pool.h"

#include <memory>
#include <string>
#include <vector>

namespace kvasir::runtime {

/// The slots of one model and the memory that its states share. Outlives them.
///
/// A state keeps a table of blocks for each slot, and one more for the ids of its tokens: table `size()`, i32.
class Slots {
public:
  explicit Slots(std::vector<SlotDescription> descriptions);

  size_t size() const { return descriptions.size(); }
  const SlotDescription &operator[](size_t slot) const { return descriptions[slot]; }

  /// Index of the slot of this name. Throws bad input that lists the names there are.
  size_t find(const std::string &name) const;

  size_t numTables() const { return size() + 1; }
  size_t idTable() const { return size(); }
  BlockPool &pool(size_t table) const { return *pools[table]; }
  bool isRegister(size_t table) const;
  bool hasRegisters() const;

  /// Do rows of caches lie in registers, too, for functions that take no tokens?
  bool hasOrigins() const;

  /// The register that the rows of a cache come from; the cache has `from`.
  size_t originOf(size_t cache) const { return find(descriptions[cache].from->state); }

  /// The value that registers begin with. Not to be written.
  const BlockRef &zero(size_t slot) const { return zeros[slot]; }

  /// The first row of a table that token number `token` needs: rows in front of a window are of no use to it.
  uint64_t firstNeededRow(size_t table, uint64_t token) const;

private:
  std::vector<SlotDescription> descriptions;
  std::vector<std::unique_ptr<BlockPool>> pools;
  std::vector<BlockRef> zeros; ///< of registers; after the pools, so that they go back to living ones
};

} // namespace kvasir::runtime

#endif
