// SPDX-License-Identifier: MIT
#include "runtime/audit/row_map.h"

#include "runtime/state/state.h"

#include <chrono>
#include <optional>

namespace kvasir::runtime::audit {
namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Outputs are watched as bytes.
constexpr uint8_t kOutputFills[] = {0x35, 0x4a};

} // namespace

void RowGrid::set(size_t slot, uint64_t layer, uint64_t row, Cell cell, uint32_t call) {
  if (row >= calls.size())
    calls.resize(row + 1, kNoCall);
  auto &own = cells[slot];
  if (own.size() < calls.size() * slots[slot].layers)
    own.resize(calls.size() * slots[slot].layers, Cell::empty);
  own[row * slots[slot].layers + layer] = cell;
  calls[row] = call;
}

void RowGrid::markWrong(size_t slot, uint64_t layer, uint64_t row) {
  const size_t index = row * slots[slot].layers + layer;
  if (slot < cells.size() && index < cells[slot].size() && cells[slot][index] == Cell::written)
    cells[slot][index] = Cell::wrong;
}

/// Everything that is looked at during one execute.
class RowMap::Run {
public:
  Run(RowMap &map, const ObservedExecute &observed);

  void fill(Fill fill);
  void takeFirst();
  void compare();
  void compareWithFirst();
  bool hasDifference() const;

  void reportWrites();
  void reportChanges(Kind cacheKind, Kind registerKind);
  CallRecord &record() { return call; }

private:
  /// One unstable row, and nothing of the call can be laid to what rows held before.
  Kind differenceKind() const { return isUnstable ? Kind::nondeterministic : Kind::readsUnwritten; }

  struct SlotWatch {
    size_t slot, sequence; ///< sequence: of this execute
    std::optional<CacheWatch> cache;
    std::optional<RegisterWatch> reg;
    bool isDeclared = false; ///< a register
  };

  struct OutputWatch {
    size_t output;
    std::vector<uint8_t> first;
    uint32_t unwritten = 0, differing = 0;
  };

  Topic topic(Kind kind, const SlotWatch &watch) const;
  void add(const SlotWatch &watch, Kind kind, uint64_t layer, uint64_t row, double amount = 0);
  void reportRow(const SlotWatch &watch, uint64_t layer, uint64_t row);
  void reportRegister(const SlotWatch &watch);
  void reportOutputs();
  void fillOutputs(Fill fill);
  void compareOutputs();
  bool isDrawn(const SlotWatch &watch) const;

  RowMap &map;
  const ObservedExecute &observed;
  std::vector<SlotWatch> watches;
  std::vector<OutputWatch> outputs;
  CallRecord call;
  bool isUnstable = false;
};

RowMap::Run::Run(RowMap &map, const ObservedExecute &observed) : map(map), observed(observed) {
  const size_t numSequences = observed.call.num_sequences;
  map.buffers.reset();
  watches.reserve(map.slots.size() * numSequences);
  for (size_t slot = 0; slot < map.slots.size(); ++slot)
    for (size_t sequence = 0; sequence < numSequences; ++sequence) {
      const size_t index = slot * numSequences + sequence;
      const kv_view &view = observed.call.views[index];
      kv_rows rows = observed.writes[index];
      watches.push_back({slot, sequence, {}, {}, rows.end != 0});
      if (rows.begin == rows.end)
        rows.begin = rows.end = observed.call.starts[sequence];
      if (map.slots[slot].kind == SlotKind::cache)
        watches.back().cache.emplace(map.cells[slot], view, rows, map.buffers);
      else
        watches.back().reg.emplace(map.cells[slot], view, map.slots[slot].layout.sizeBytes, map.buffers);
    }
  for (size_t output = 0; output < observed.function.outputs.size(); ++output)
    outputs.push_back({output, {}});
  call.check = map.check;
  call.function = observed.function.name;
  call.start = observed.call.starts[0];
  call.tokens = observed.call.num_tokens;
  call.numSequences = observed.numSequences;
}

void RowMap::Run::fill(Fill fill) {
  for (SlotWatch &watch : watches)
    watch.cache ? watch.cache->fill(fill) : watch.reg->fill(fill);
  fillOutputs(fill);
}

void RowMap::Run::takeFirst() {
  for (SlotWatch &watch : watches)
    watch.cache ? watch.cache->takeFirst() : watch.reg->takeFirst();
  for (OutputWatch &output : outputs) {
    const kv_tensor &tensor = observed.call.outputs[output.output];
    const auto *bytes = static_cast<const uint8_t *>(tensor.bytes);
    output.first.assign(bytes, bytes + tensor.size_bytes);
  }
  fillOutputs(Fill::b);
}

void RowMap::Run::compare() {
  for (SlotWatch &watch : watches)
    watch.cache ? watch.cache->compare() : watch.reg->compare();
  compareOutputs();
}

void RowMap::Run::compareWithFirst() {
  for (SlotWatch &watch : watches)
    isUnstable |= watch.cache ? watch.cache->differsFromFirst() : watch.reg->differsFromFirst();
  for (const OutputWatch &output : outputs)
    isUnstable |=
        !output.first.empty() && // no rows were wanted, and there may be no bytes
        std::memcmp(output.first.data(), observed.call.outputs[output.output].bytes, output.first.size()) != 0;
}

bool RowMap::Run::hasDifference() const {
  for (const SlotWatch &watch : watches)
    if (watch.cache ? watch.cache->hasDifference() : watch.reg->hasDifference())
      return true;
  for (const OutputWatch &output : outputs)
    if (output.differing)
      return true;
  return false;
}

void RowMap::Run::fillOutputs(Fill fill) {
  for (const OutputWatch &output : outputs) {
    const kv_tensor &tensor = observed.call.outputs[output.output];
    if (tensor.size_bytes)
      std::memset(tensor.bytes, kOutputFills[static_cast<size_t>(fill)], tensor.size_bytes);
  }
}

void RowMap::Run::compareOutputs() {
  for (OutputWatch &output : outputs) {
    const auto *second = static_cast<const uint8_t *>(observed.call.outputs[output.output].bytes);
    if (output.first.empty() || std::memcmp(output.first.data(), second, output.first.size()) == 0)
      continue;
    const size_t width = elementBits(observed.function.outputs[output.output].element) / 8;
    for (size_t at = 0; at < output.first.size(); at += width) {
      const auto isAll = [&](const uint8_t *bytes, uint8_t fill) {
        return std::all_of(bytes, bytes + width, [&](uint8_t byte) { return byte == fill; });
      };
      if (isAll(&output.first[at], kOutputFills[0]) && isAll(second + at, kOutputFills[1]))
        ++output.unwritten;
      else
        output.differing += std::memcmp(&output.first[at], second + at, width) != 0;
    }
  }
}

Topic RowMap::Run::topic(Kind kind, const SlotWatch &watch) const {
  const size_t sequence = observed.sequences[watch.sequence];
  return {kind,
          map.check,
          call.function,
          watch.slot,
          sequence,
          observed.numSequences,
          observed.call.counts[watch.sequence] == 1,
          "",
          0};
}

void RowMap::Run::add(const SlotWatch &watch, Kind kind, uint64_t layer, uint64_t row, double amount) {
  Topic about = topic(kind, watch);
  if (kind == Kind::partlyWritten)
    about.detail = std::to_string(map.cells[watch.slot].perRow());
  map.book.add(about, layer, row, observed.call.counts[watch.sequence], observed.call.starts[watch.sequence], amount);
  call.hasFindings = true;
}

bool RowMap::Run::isDrawn(const SlotWatch &watch) const {
  return !observed.states.empty() && observed.states[watch.sequence] == map.drawn;
}

void RowMap::Run::reportRow(const SlotWatch &watch, uint64_t layer, uint64_t row) {
  const RowOutcome &outcome = watch.cache->outcome(layer, row);
  const size_t perRow = map.cells[watch.slot].perRow();
  const bool isOwn = row < watch.cache->declared().end;
  auto cell = RowGrid::Cell::written;
  if (perRow == 0) // all planes are shared among rows
    return;
  if (!isOwn) {
    if (outcome.unwritten != perRow)
      add(watch, Kind::beyond, layer, row);
    return;
  }
  if (outcome.unwritten == perRow) {
    add(watch, Kind::notWritten, layer, row);
    cell = RowGrid::Cell::notWritten;
  } else if (outcome.unwritten != 0) {
    add(watch, Kind::partlyWritten, layer, row, outcome.unwritten);
    cell = RowGrid::Cell::partlyWritten;
  }
  if (outcome.differing) {
    add(watch, differenceKind(), layer, row);
    cell = RowGrid::Cell::wrong;
  }
  call.numRows += cell == RowGrid::Cell::written;
  if (isDrawn(watch))
    map.rowGrid.set(watch.slot, layer, row, cell, static_cast<uint32_t>(map.records.size()));
}

void RowMap::Run::reportRegister(const SlotWatch &watch) {
  const size_t perRow = map.cells[watch.slot].perRow();
  for (uint64_t layer = 0; layer < map.cells[watch.slot].layers(); ++layer) {
    const RowOutcome &outcome = watch.reg->outcome(layer);
    if (!watch.isDeclared && outcome.unwritten != perRow)
      add(watch, Kind::registerUndeclared, layer, 0);
    if (!watch.isDeclared)
      continue;
    if (outcome.unwritten == perRow)
      add(watch, Kind::registerNotWritten, layer, 0);
    else if (outcome.unwritten != 0)
      add(watch, Kind::partlyWritten, layer, 0, outcome.unwritten);
    if (outcome.differing)
      add(watch, differenceKind(), layer, 0);
  }
}

void RowMap::Run::reportOutputs() {
  for (const OutputWatch &output : outputs) {
    const auto addOutput = [&](Kind kind, double amount) {
      map.book.add({kind, map.check, call.function, kNoSlot, 0, 1, call.tokens == 1,
                    observed.function.outputs[output.output].name, 0},
                   0, call.start + call.tokens - 1, call.tokens, call.start, amount);
      call.hasFindings = true;
    };
    if (output.unwritten)
      addOutput(Kind::outputNotWritten, output.unwritten);
    if (output.differing)
      addOutput(differenceKind(), output.differing);
  }
}

void RowMap::Run::reportWrites() {
  for (const SlotWatch &watch : watches) {
    if (watch.reg) {
      reportRegister(watch);
      continue;
    }
    for (uint64_t layer = 0; layer < map.cells[watch.slot].layers(); ++layer)
      for (uint64_t row = watch.cache->declared().begin; row < watch.cache->trackedEnd(); ++row)
        reportRow(watch, layer, row);
  }
  reportOutputs();
}

void RowMap::Run::reportChanges(Kind cacheKind, Kind registerKind) {
  for (const SlotWatch &watch : watches) {
    if (watch.reg) {
      for (const uint64_t layer : watch.reg->findChanged())
        add(watch, registerKind, layer, 0);
      continue;
    }
    const uint64_t start = watch.cache->declared().begin;
    // What a call that fails leaves behind the committed rows is nobody's.
    for (const auto &[layer, row] : watch.cache->findChanged())
      if (row < start || cacheKind != Kind::onError)
        add(watch, row < start ? cacheKind : Kind::beyond, layer, row);
    for (const auto &[block, firstLayer, endLayer] : watch.cache->findChangedBlocks())
      for (uint64_t layer = firstLayer; layer < endLayer; ++layer)
        for (uint64_t row = block * KV_BLOCK_TOKENS; row < (block + 1) * KV_BLOCK_TOKENS; ++row)
          add(watch, cacheKind, layer, row);
  }
}

RowMap::RowMap(const std::vector<SlotDescription> &slots, FindingBook &book)
    : slots(slots), book(book), rowGrid(slots) {
  for (const SlotDescription &slot : slots)
    cells.emplace_back(slot);
}

void RowMap::around(const ObservedExecute &observed, const std::function<void()> &execute) {
  if (!drawn && !observed.states.empty())
    drawn = observed.states[0];
  const auto begin = Clock::now();
  Run run(*this, observed);
  run.fill(Fill::a);
  try {
    const auto executeBegin = Clock::now();
    execute();
    run.record().plainSeconds = secondsSince(executeBegin);
    run.takeFirst();
    execute();
  } catch (...) {
    run.reportChanges(Kind::onError, Kind::registerOnError);
    run.record().failed = true;
    run.record().seconds = secondsSince(begin);
    records.push_back(run.record());
    throw;
  }
  run.compare();
  if (run.hasDifference()) {
    run.fill(Fill::a);
    execute();
    run.compareWithFirst();
  }
  run.reportWrites();
  run.reportChanges(Kind::committed, Kind::registerInPlace);
  run.record().seconds = secondsSince(begin);
  records.push_back(run.record());
}

} // namespace kvasir::runtime::audit
