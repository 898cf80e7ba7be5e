// SPDX-License-Identifier: MIT
#include "backends/cpu/linears.h"

#include "compiler/passes/call_frame.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// Rows of a tile of results. Integers come and go with each group of 32 columns: 16 KiB, half of a first-level cache.
/// Floats come and go more rarely, and their blocks take longer to unpack: 66 KiB stay in a second-level cache.
constexpr int64_t kIntRows = 128, kFloatRows = 528;

int64_t rowBlock(const ActivationFormat &format) { return format.isInt() ? kIntRows : kFloatRows; }

/// Up to so many rows each member rounds all of them for itself, which is cheaper than waiting for the others.
constexpr int64_t kOwnRows = 4;

/// Rows that arrays of activations have room for beyond those that are there. Where a group's rows take a multiple of
/// 4 KiB, all groups of a row would share a set of the first-level cache, which is written group by group.
constexpr int64_t kSpareRows = 2;

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

struct Linears {
  const Kernel &kernel;
  const ActivationFormat &format;
  const LinearInput &input;
  ArrayRef<PanelSet> sets;
  Code &code = kernel.code;

  Value groups() const { return code.num(input.columns / kBlockColumns); }

  int64_t tiles() const { return numTiles(sets); }

  /// From group to group of the activations of many rows.
  Value stride() const { return code.add(input.rows, kSpareRows); }

  /// Scratch: the shared activations, then each member's own rows, tiles, unpacked block.
  Value memberScratch() const {
    LinearScratch sizes = linearScratch(format, input.columns, tiles());
    Value shared = code.mul(stride(), sizes.bytesPerRow);
    shared = code.andI(code.add(shared, 63), code.num(-64));
    return code.at(code.at(kernel.scratch, shared), code.mul(kernel.member, sizes.bytesPerMember));
  }
  Value tile(Value own, int64_t index) const {
    return code.at(own, aligned((kOwnRows + kSpareRows) * format.bytesPerRow(input.columns)) +
                            index * rowBlock(format) * kPanelRows * 4);
  }
  Value unpacked(Value own) const { return tile(own, tiles()); }

  /// Row `row` to place `place` of activations of so many rows.
  void roundRow(Value row, Value place, Value rows, Value destination) const {
    Value source = code.at(input.source, code.mul(row, input.columns * 4));
    emitActivationRow(code, kernel.module, kernel.isa, format, input.columns, {source, place, rows, destination},
                      input.norm, input.epsilon);
  }

  /// Rounds the rows of a part; they lie side by side. Few are in one part, and each member rounds all of them.
  Value roundRows(Value own, const RowParts &of) const {
    Value isFew = code.less(input.rows, code.num(kOwnRows + 1)), one = code.num(1);
    Value activations = code.select(isFew, own, kernel.scratch), members = code.select(isFew, one, of.members);
    auto [begin, end] = evenShare(code, of.count, code.select(isFew, code.num(0), of.member), members);
    code.loop(begin, end, 1,
              [&](Value index) { roundRow(of.row(index), code.add(of.first, index), stride(), activations); });
    code.when(code.less(one, members), [&] { kernel.barrier(); });
    return activations;
  }

  /// The units of a set that a member computes.
  struct Share {
    const PanelSet *set;
    Value first, last;
  };

  SmallVector<Share> shares(Value member, Value members) const {
    int64_t total = 0, before = 0;
    for (const PanelSet &set : sets)
      total += set.numPanels();
    auto [begin, end] = evenShare(code, code.num(total), member, members);
    SmallVector<Share> shares;
    for (const PanelSet &set : sets) {
      shares.push_back({&set, firstUnit(code, set, begin, before), firstUnit(code, set, end, before)});
      before += set.numPanels();
    }
    return shares;
  }

  /// Runs `body` on each unit: its set, and its number there.
  void forUnits(ArrayRef<Share> shares, const std::function<void(const PanelSet &, Value)> &body) const {
    for (const Share &share : shares)
      code.loop(share.first, share.last, 1, [&](Value unit) { body(*share.set, unit); });
  }

  /// Memory is idle while rows are rounded: asks for the beginning of the first panel before.
  void fetchFirstPanel(ArrayRef<Share> shares) const {
    constexpr int64_t kMostBytes = 16384;
    Value left = code.num(1);
    for (const Share &share : shares) {
      Value panel = panelAt(*share.set, 0, share.first);
      Value panels = code.min(left, code.max(code.sub(share.last, share.first), code.num(0)));
      int64_t bytes = std::min(kMostBytes, share.set->linearOf(0).format.panelBytes(input.columns));
      code.loop(code.num(0), code.mul(panels, bytes), 64, [&](Value line) { code.prefetch(code.at(panel, line), 64); });
      left = code.sub(left, panels);
    }
  }

  Value firstColumn(const PanelSet &set, Value unit) const { return code.mul(unit, set.together * kPanelRows); }

  /// What row `row` of the activations' `rows` leaves to be multiplied by.
  Value unitOf(Value activations, Value rows, Value row) const {
    if (!format.isInt())
      return {};
    return code.load(code.f32, unitAddress(code, format, activations, groups(), rows, row));
  }

  /// The panel of a set's tile of a unit.
  Value panelAt(const PanelSet &set, int64_t tile, Value unit) const {
    const Linear &linear = set.linearOf(tile);
    Value before = code.mul(set.panelOf(code, tile, unit), linear.format.panelBytes(input.columns));
    return code.at(linear.blocks, before);
  }

  PanelCall panelCall(const PanelSet &set, int64_t tile, Value unit) const {
    bool isLast = tile + 1 == set.numTiles();
    PanelCall call;
    call.weight = panelAt(set, tile, unit);
    call.next = isLast ? panelAt(set, 0, code.add(unit, 1)) : panelAt(set, tile + 1, unit);
    call.groups = groups();
    return call;
  }

  void emitOneRow() const {
    Value own = memberScratch();
    SmallVector<Share> mine = shares(kernel.member, kernel.members);
    fetchFirstPanel(mine);
    roundRow(code.num(0), code.num(0), code.num(1), own);
    Value unit = unitOf(own, code.num(1), code.num(0));
    forUnits(mine, [&](const PanelSet &set, Value number) {
      Value column = firstColumn(set, number);
      if (set.fetch)
        set.fetch(code.num(0), column);
      SmallVector<Tile> tiles;
      for (int64_t index = 0; index < set.numTiles(); ++index) {
        const Linear &linear = set.linearOf(index);
        PanelCall call = panelCall(set, index, number);
        call.activations = own;
        call.firstRow = code.num(0);
        call.rows = call.count = code.num(1);
        tiles.push_back({call.result = tile(own, index), unit});
        call.unpacked = unpacked(own);
        emitPanelOfOneRow(code, kernel.module, kernel.isa, linear.format, format, call);
      }
      set.epilogue(innerRow(code, code.num(0)), column, tiles);
    });
  }

  void emitRows() const {
    Value own = memberScratch();
    RowParts of(code, input.rows, kernel.member, kernel.members);
    SmallVector<Share> mine = shares(of.member, of.members);
    fetchFirstPanel(mine);
    Value activations = roundRows(own, of);
    code.loop(code.num(0), of.count, rowBlock(format), [&](Value begin) {
      Value end = code.min(code.add(begin, rowBlock(format)), of.count);
      forUnits(mine, [&](const PanelSet &set, Value number) {
        Value column = firstColumn(set, number);
        if (set.fetch)
          of.forRows(begin, end, [&](Value, const PartRow &row) { set.fetch(row.number, column); });
        for (int64_t index = 0; index < set.numTiles(); ++index) {
          const Linear &linear = set.linearOf(index);
          PanelCall call = panelCall(set, index, number);
          call.activations = activations;
          call.firstRow = code.add(of.first, begin);
          call.rows = stride();
          call.count = code.sub(end, begin);
          call.result = tile(own, index);
          call.unpacked = unpacked(own);
          emitPanelOfRows(code, kernel.module, kernel.isa, linear.format, format, call);
        }
        of.forRows(begin, end, [&](Value index, const PartRow &row) {
          Value unit = unitOf(activations, stride(), code.add(of.first, index)), line = code.sub(index, begin);
          SmallVector<Tile> tiles;
          for (int64_t index = 0; index < set.numTiles(); ++index)
            tiles.push_back({code.at(tile(own, index), code.mul(line, kPanelRows * 4)), unit});
          set.epilogue(row, column, tiles);
        });
      });
    });
  }
};

} // namespace

std::pair<Value, Value> Kernel::share(Value total) const { return evenShare(code, total, member, members); }

void Kernel::barrier() const { emitBarrier(code.builder(), code.builder().getLoc(), call, code.toIndex(member)); }

Value firstUnit(Code &code, const PanelSet &set, Value panel, int64_t before) {
  Value own = code.max(code.sub(panel, code.num(before - set.together / 2)), code.num(0));
  return code.min(code.div(own, set.together), code.num(set.numUnits()));
}

int64_t numTiles(ArrayRef<PanelSet> sets) {
  int64_t most = 0;
  for (const PanelSet &set : sets)
    most = std::max(most, set.numTiles());
  return most;
}

LinearScratch linearScratch(const ActivationFormat &format, int64_t columns, int64_t tiles, const ManyRows *manyRows) {
  int64_t row = format.bytesPerRow(columns);
  int64_t own = aligned((kOwnRows + kSpareRows) * row) + tiles * rowBlock(format) * kPanelRows * 4 + kUnpackedBytes;
  if (!manyRows)
    return {64 + kSpareRows * row, row, own};
  LinearScratch more = manyRows->scratch(format, columns, tiles);
  return {std::max<int64_t>(64 + kSpareRows * row, more.fixedBytes), std::max(row, more.bytesPerRow),
          std::max(own, more.bytesPerMember)};
}

void emitLinears(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input,
                 ArrayRef<PanelSet> sets) {
  Linears linears{kernel, format, input, sets};
  Code &code = kernel.code;
  // The head of a call of one token may have no row at all.
  if (kernel.rows == 1)
    return code.when(code.equal(input.rows, 1), [&] { linears.emitOneRow(); });
  auto emitRows = [&] {
    if (!kernel.manyRows)
      return linears.emitRows();
    code.when(
        kernel.manyRows->takes(kernel, format, input, sets),
        [&] { kernel.manyRows->emit(kernel, format, input, sets); }, [&] { linears.emitRows(); });
  };
  code.when(code.equal(input.rows, 1), [&] { linears.emitOneRow(); }, emitRows);
}

} // namespace kvasir::cpu
