// SPDX-License-Identifier: MIT
// One slot of one sequence during one execute: what it may write is filled and looked at, the rest must not change.
#ifndef KVASIR_RUNTIME_AUDIT_WATCH_H
#define KVASIR_RUNTIME_AUDIT_WATCH_H

#include "runtime/audit/cells.h"

#include "kvasir/plugin.h"

#include <memory>
#include <vector>

namespace kvasir::runtime::audit {

/// Large pieces of memory that are used again, so that an audited step of decode does not wait for the system.
class Buffers {
public:
  /// At least so many bytes, valid until `reset`.
  uint8_t *take(size_t sizeBytes);
  void reset() { numTaken = 0; }

private:
  struct Piece {
    std::unique_ptr<uint8_t[]> bytes;
    size_t sizeBytes;
  };
  std::vector<Piece> pieces;
  size_t numTaken = 0;
};

/// A row of one layer.
struct RowPlace {
  uint64_t layer, row;
};

/// What became of one row after two runs with different fills; numbers of stored elements.
struct RowOutcome {
  uint32_t unwritten = 0; ///< hold the fill of each run
  uint32_t differing = 0; ///< differ between the runs, and not as the fills do
};

/// A cache's rows. `tracked` rows begin with those that the call may write and may go on to the end of the last block;
/// they are filled and looked at one by one. All others are held against copies (blocks that have tracked rows, too)
/// or hashes (older blocks).
class CacheWatch {
public:
  /// `rows`: those that the call declares, [start, start) if none. Copies and hashes what must not change.
  CacheWatch(const Cells &cells, const kv_view &view, kv_rows rows, Buffers &buffers);

  void fill(Fill fill);
  /// Keeps what the first run left, then fills for the second.
  void takeFirst();
  /// After the second run.
  void compare();
  /// After a third run that began like the first: did it end otherwise?
  bool differsFromFirst();

  /// Rows outside of the tracked ones that hold something else than before the first run.
  std::vector<RowPlace> findChanged() const;
  /// Older blocks that hold something else; which of their rows is not known. Layers [firstLayer, endLayer).
  struct ChangedBlock {
    uint64_t block, firstLayer, endLayer;
  };
  std::vector<ChangedBlock> findChangedBlocks() const;

  kv_rows declared() const { return rows; }
  uint64_t trackedEnd() const { return endTracked; }
  bool hasDifference() const { return differs; }
  const RowOutcome &outcome(uint64_t layer, uint64_t row) const { return outcomes[index(layer, row)]; }

private:
  struct Copy {
    uint64_t block;
    uint8_t *bytes;
  };
  struct Hash {
    uint64_t block;
    std::vector<uint64_t> parts;
  };

  size_t index(uint64_t layer, uint64_t row) const { return layer * (endTracked - rows.begin) + (row - rows.begin); }
  bool isTracked(uint64_t row) const { return row >= rows.begin && row < endTracked; }
  uint8_t *blockOf(uint64_t row) const { return view.blocks[row / KV_BLOCK_TOKENS]; }
  std::vector<uint64_t> hashParts(uint64_t block) const;
  void copyTracked(const Copy &copy) const;
  template <typename Visitor> void forTracked(Visitor &&visitor);

  const Cells &cells;
  const kv_view view;
  const kv_rows rows;
  uint64_t endTracked;
  uint8_t *first = nullptr; ///< raw elements of the tracked rows after the first run
  std::vector<Copy> copies;
  std::vector<Hash> hashes;
  std::vector<RowOutcome> outcomes;
  bool differs = false;
};

/// A register's new value, and its old one.
class RegisterWatch {
public:
  RegisterWatch(const Cells &cells, const kv_view &view, size_t sizeBytes, Buffers &buffers);

  void fill(Fill fill);
  void takeFirst();
  void compare();
  bool differsFromFirst();

  bool hasDifference() const { return differs; }
  const RowOutcome &outcome(uint64_t layer) const { return outcomes[layer]; }
  /// Layers whose committed value was changed.
  std::vector<uint64_t> findChanged() const;

private:
  const Cells &cells;
  const kv_view view;
  uint8_t *before;
  uint8_t *first;
  std::vector<RowOutcome> outcomes;
  bool differs = false;
};

} // namespace kvasir::runtime::audit

#endif
