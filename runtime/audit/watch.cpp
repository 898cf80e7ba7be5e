// SPDX-License-Identifier: MIT
#include "runtime/audit/watch.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace kvasir::runtime::audit {
namespace {

// Rows behind a call's own, up to its last block's end, are filled too if they are at most so many times the call's:
// a step of decode then leaves them to a copy, but for its block's first row.
constexpr uint64_t kTrackedTimes = 4;

/// One row after the second run, beside what the first left.
RowOutcome compareRow(const Cells &cells, uint8_t *block, uint64_t layer, uint64_t token, const uint8_t *first) {
  RowOutcome outcome;
  cells.visitRow(block, layer, token, [&](const auto &second, const PlaneCells &plane) {
    using Number = std::remove_cvref_t<decltype(second)>;
    Number before;
    std::memcpy(&before, first, sizeof before);
    first += sizeof before;
    const bool isUnwritten =
        before == static_cast<Number>(plane.fills[0]) && second == static_cast<Number>(plane.fills[1]);
    outcome.unwritten += isUnwritten;
    outcome.differing += !isUnwritten && before != second;
  });
  return outcome;
}

} // namespace

uint8_t *Buffers::take(size_t sizeBytes) {
  if (numTaken == pieces.size())
    pieces.push_back({nullptr, 0});
  Piece &piece = pieces[numTaken];
  if (piece.sizeBytes < sizeBytes) {
    piece.bytes = std::make_unique_for_overwrite<uint8_t[]>(sizeBytes);
    piece.sizeBytes = sizeBytes;
  }
  ++numTaken;
  return piece.bytes.get();
}

CacheWatch::CacheWatch(const Cells &cells, const kv_view &view, kv_rows rows, Buffers &buffers)
    : cells(cells), view(view), rows(rows), endTracked(rows.end) {
  const uint64_t blockEnd = view.num_blocks * KV_BLOCK_TOKENS, count = rows.end - rows.begin;
  if (count && (blockEnd - rows.end <= kTrackedTimes * count || rows.begin % KV_BLOCK_TOKENS == 0))
    endTracked = blockEnd;
  const uint64_t numTracked = cells.layers() * (endTracked - rows.begin);
  outcomes.resize(numTracked);
  first = buffers.take(numTracked * cells.rawBytesPerRow());
  for (uint64_t block = 0; block < view.num_blocks; ++block) {
    if (!view.blocks[block])
      continue;
    const uint64_t begin = block * KV_BLOCK_TOKENS, end = begin + KV_BLOCK_TOKENS;
    if (end <= rows.begin)
      hashes.push_back({block, hashParts(block)});
    else if (begin < rows.begin || end > endTracked) {
      copies.push_back({block, buffers.take(cells.blockBytes())});
      std::memcpy(copies.back().bytes, view.blocks[block], cells.blockBytes());
    }
  }
}

std::vector<uint64_t> CacheWatch::hashParts(uint64_t block) const {
  // Layers that lie one after the other are hashed one by one.
  const size_t parts = cells.layerBytes() ? cells.layers() : 1;
  const size_t partBytes = cells.layerBytes() ? cells.layerBytes() : cells.blockBytes();
  std::vector<uint64_t> hash;
  for (size_t part = 0; part < parts; ++part)
    hash.push_back(XXH3_64bits(view.blocks[block] + part * partBytes, partBytes));
  return hash;
}

/// Calls visitor(layer, row, block, token, raw elements after the first run).
template <typename Visitor> void CacheWatch::forTracked(Visitor &&visitor) {
  uint8_t *raw = first;
  for (uint64_t layer = 0; layer < cells.layers(); ++layer)
    for (uint64_t row = rows.begin; row < endTracked; ++row, raw += cells.rawBytesPerRow())
      visitor(layer, row, blockOf(row), row % KV_BLOCK_TOKENS, raw);
}

void CacheWatch::fill(Fill fill) {
  forTracked([&](uint64_t layer, uint64_t, uint8_t *block, uint64_t token, uint8_t *) {
    cells.fillRow(block, layer, token, fill);
  });
}

void CacheWatch::takeFirst() {
  forTracked([&](uint64_t layer, uint64_t, uint8_t *block, uint64_t token, uint8_t *raw) {
    cells.takeRow(block, layer, token, raw);
    cells.fillRow(block, layer, token, Fill::b);
  });
}

void CacheWatch::compare() {
  forTracked([&](uint64_t layer, uint64_t row, uint8_t *block, uint64_t token, const uint8_t *raw) {
    const RowOutcome outcome = compareRow(cells, block, layer, token, raw);
    differs |= outcome.differing != 0;
    outcomes[index(layer, row)] = outcome;
  });
}

bool CacheWatch::differsFromFirst() {
  bool unlike = false;
  forTracked([&](uint64_t layer, uint64_t, uint8_t *block, uint64_t token, const uint8_t *raw) {
    unlike |= cells.isUnlike(block, layer, token, raw);
  });
  return unlike;
}

/// The tracked rows of the block as they are now, into its copy: then the two are equal unless others changed.
void CacheWatch::copyTracked(const Copy &copy) const {
  const uint64_t begin = std::max(rows.begin, copy.block * KV_BLOCK_TOKENS);
  const uint64_t end = std::min(endTracked, (copy.block + 1) * KV_BLOCK_TOKENS);
  std::vector<uint8_t> raw(cells.rawBytesPerRow());
  for (uint64_t layer = 0; layer < cells.layers(); ++layer)
    for (uint64_t row = begin; row < end; ++row) {
      cells.takeRow(blockOf(row), layer, row % KV_BLOCK_TOKENS, raw.data());
      const uint8_t *next = raw.data();
      cells.visitRow(copy.bytes, layer, row % KV_BLOCK_TOKENS, [&](auto &value, const PlaneCells &) {
        std::memcpy(&value, next, sizeof value);
        next += sizeof value;
      });
    }
}

std::vector<RowPlace> CacheWatch::findChanged() const {
  std::vector<RowPlace> changed;
  for (const Copy &copy : copies) {
    copyTracked(copy);
    if (std::memcmp(copy.bytes, view.blocks[copy.block], cells.blockBytes()) == 0)
      continue;
    for (uint64_t layer = 0; layer < cells.layers(); ++layer)
      for (uint64_t token = 0; token < KV_BLOCK_TOKENS; ++token)
        if (const uint64_t row = copy.block * KV_BLOCK_TOKENS + token;
            !isTracked(row) && cells.differs(view.blocks[copy.block], copy.bytes, layer, token))
          changed.push_back({layer, row});
  }
  return changed;
}

std::vector<CacheWatch::ChangedBlock> CacheWatch::findChangedBlocks() const {
  std::vector<ChangedBlock> changed;
  for (const Hash &hash : hashes) {
    const auto now = hashParts(hash.block);
    const uint64_t layersPerPart = cells.layers() / now.size();
    for (size_t part = 0; part < now.size(); ++part)
      if (now[part] != hash.parts[part])
        changed.push_back({hash.block, part * layersPerPart, (part + 1) * layersPerPart});
  }
  return changed;
}

RegisterWatch::RegisterWatch(const Cells &cells, const kv_view &view, size_t sizeBytes, Buffers &buffers)
    : cells(cells), view(view), before(buffers.take(sizeBytes)),
      first(buffers.take(cells.layers() * cells.rawBytesPerRow())), outcomes(cells.layers()) {
  std::memcpy(before, view.in, sizeBytes);
}

void RegisterWatch::fill(Fill fill) {
  for (uint64_t layer = 0; layer < cells.layers(); ++layer)
    cells.fillRow(view.out, layer, 0, fill);
}

void RegisterWatch::takeFirst() {
  for (uint64_t layer = 0; layer < cells.layers(); ++layer)
    cells.takeRow(view.out, layer, 0, first + layer * cells.rawBytesPerRow());
  fill(Fill::b);
}

void RegisterWatch::compare() {
  for (uint64_t layer = 0; layer < cells.layers(); ++layer) {
    outcomes[layer] = compareRow(cells, view.out, layer, 0, first + layer * cells.rawBytesPerRow());
    differs |= outcomes[layer].differing != 0;
  }
}

bool RegisterWatch::differsFromFirst() {
  bool unlike = false;
  for (uint64_t layer = 0; layer < cells.layers(); ++layer)
    unlike |= cells.isUnlike(view.out, layer, 0, first + layer * cells.rawBytesPerRow());
  return unlike;
}

std::vector<uint64_t> RegisterWatch::findChanged() const {
  std::vector<uint64_t> changed;
  for (uint64_t layer = 0; layer < cells.layers(); ++layer)
    if (cells.differs(view.in, before, layer, 0))
      changed.push_back(layer);
  return changed;
}

} // namespace kvasir::runtime::audit
