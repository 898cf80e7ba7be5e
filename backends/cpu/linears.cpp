// SPDX-License-Identifier: MIT
#include "backends/cpu/linears.h"

#include "backends/cpu/tasks.h"
#include "compiler/passes/call_frame.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

/// Up to so many rows each member rounds all of them for itself, which is cheaper than waiting for the others.
constexpr int64_t kOwnRows = 4;

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

  int64_t bytesPerMember() const { return linearScratch(format, input.columns, tiles()).bytesPerMember; }

  /// Scratch: the shared activations, then each member's line of tasks, own rows, tiles, unpacked block.
  Value membersScratch() const {
    Value shared = code.mul(stride(), format.bytesPerRow(input.columns));
    return code.at(kernel.scratch, code.andI(code.add(shared, 63), code.num(-64)));
  }
  Value ownRows(Value membersScratch) const {
    return code.at(code.at(membersScratch, code.mul(kernel.member, bytesPerMember())), Tasks::kBytes);
  }
  Value tile(Value own, int64_t index) const {
    return code.at(own, int64_t(llvm::alignTo((kOwnRows + kSpareRows) * format.bytesPerRow(input.columns), 64)) +
                            index * rowBlock(format) * kPanelRows * 4);
  }
  Value unpacked(Value own) const { return tile(own, tiles()); }

  void round(Value row, Value place, Value rows, Value activations) const {
    roundRow(kernel, format, input, row, place, rows, activations);
  }

  /// Rounds the rows of a part to `activations`, where they lie side by side; `isOwn`: all of them.
  void roundRows(Value activations, const RowParts &of, Value isOwn) const {
    Value member = code.select(isOwn, code.num(0), of.member), members = code.select(isOwn, code.num(1), of.members);
    auto [begin, end] = evenShare(code, of.count, member, members);
    code.loop(begin, end, 1,
              [&](Value index) { round(of.row(index), code.add(of.first, index), stride(), activations); });
  }

  /// The units of a set that a member computes.
  struct Share {
    const PanelSet *set;
    Value first, last;

    Value count(Code &code) const { return code.max(code.sub(last, first), code.num(0)); }
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

  Value numUnits(ArrayRef<Share> shares) const {
    Value units = code.num(0);
    for (const Share &share : shares)
      units = code.add(units, share.count(code));
    return units;
  }

  /// Memory is idle while rows are rounded: asks for the beginning of the first panel before.
  void fetchFirstPanel(ArrayRef<Share> shares) const {
    constexpr int64_t kMostBytes = 16384;
    Value left = code.num(1);
    for (const Share &share : shares) {
      Value panel = panelAt(*share.set, 0, share.first);
      Value panels = code.min(left, share.count(code));
      int64_t bytes = std::min(kMostBytes, share.set->linearOf(0).format.panelBytes(input.columns));
      code.loop(code.num(0), code.mul(panels, bytes), 64, [&](Value line) { code.prefetch(code.at(panel, line), 64); });
      left = code.sub(left, panels);
    }
  }

  Value firstColumn(const PanelSet &set, Value unit) const { return code.mul(unit, set.together * kPanelRows); }

  Value unitOf(Value activations, Value rows, Value row) const {
    return loadUnit(code, format, input, activations, rows, row);
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
    Value own = ownRows(membersScratch());
    SmallVector<Share> mine = shares(kernel.member, kernel.members);
    fetchFirstPanel(mine);
    round(code.num(0), code.num(0), code.num(1), own);
    Value unit = unitOf(own, code.num(1), code.num(0));
    for (const Share &share : mine)
      code.loop(share.first, share.last, 1, [&](Value number) { emitUnitOfOneRow(own, unit, *share.set, number); });
  }

  void emitUnitOfOneRow(Value own, Value unit, const PanelSet &set, Value number) const {
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
  }

  /// A task is a unit of up to rowBlock(format) rows of a member's part.
  void emitRows() const {
    Value all = membersScratch(), own = ownRows(all), one = code.num(1), isTeam = code.less(one, kernel.members);
    Value isFew = code.less(input.rows, code.num(kOwnRows + 1));
    Value activations = code.select(isFew, own, kernel.scratch);
    Tasks tasks(kernel, all, bytesPerMember(), Tasks::areHelped(kernel, input.rows, kOwnRows + 1));
    RowParts of(code, input.rows, kernel.member, kernel.members);
    SmallVector<Share> mine = shares(of.member, of.members);
    fetchFirstPanel(mine);
    tasks.open(code.mul(code.div(code.add(of.count, rowBlock(format) - 1), rowBlock(format)), numUnits(mine)));
    roundRows(activations, of, isFew);
    code.when(code.andI(isTeam, code.less(code.num(kOwnRows), input.rows)), [&] { kernel.barrier(); });
    tasks.forOwners([&](Value owner) {
      RowParts of(code, input.rows, owner, kernel.members);
      SmallVector<Share> theirs = shares(of.member, of.members);
      code.loop(code.num(0), of.count, rowBlock(format), tasks.begin(owner), [&](Value begin, ValueRange carried) {
        Values next(carried);
        Value end = code.min(code.add(begin, rowBlock(format)), of.count);
        for (const Share &share : theirs)
          next = code.loop(share.first, share.last, 1, next, [&](Value unit, ValueRange carried) {
            return tasks.next(owner, carried, [&] { emitUnit(activations, own, of, {begin, end}, *share.set, unit); });
          });
        return next;
      });
    });
  }

  /// A unit of rows `rows` of a part.
  void emitUnit(Value activations, Value own, const RowParts &of, std::pair<Value, Value> rows, const PanelSet &set,
                Value number) const {
    auto [begin, end] = rows;
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
    of.forRows(begin, end, [&, begin = begin](Value index, const PartRow &row) {
      Value unit = unitOf(activations, stride(), code.add(of.first, index)), line = code.sub(index, begin);
      SmallVector<Tile> tiles;
      for (int64_t index = 0; index < set.numTiles(); ++index)
        tiles.push_back({code.at(tile(own, index), code.mul(line, kPanelRows * 4)), unit});
      set.epilogue(row, column, tiles);
    });
  }
};

} // namespace

void roundRow(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input, Value row, Value place,
              Value rows, Value activations) {
  Code &code = kernel.code;
  Value source = code.at(input.source, code.mul(row, input.columns * 4));
  emitActivationRow(code, kernel.module, kernel.isa, format, input.columns, {source, place, rows, activations},
                    input.norm, input.epsilon);
}

Value loadUnit(Code &code, const ActivationFormat &format, const LinearInput &input, Value activations, Value rows,
               Value row) {
  if (!format.isInt())
    return {};
  Value groups = code.num(input.columns / kBlockColumns);
  return code.load(code.f32, unitAddress(code, format, activations, groups, rows, row));
}

/// Of integers 16 KiB, half of a first-level cache. Floats come and go more rarely, and their blocks take longer to
/// unpack: 66 KiB stay in a second-level cache.
int64_t rowBlock(const ActivationFormat &format) { return format.isInt() ? 128 : 528; }

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
  int64_t own = Tasks::kBytes + int64_t(llvm::alignTo((kOwnRows + kSpareRows) * row, 64)) +
                tiles * rowBlock(format) * kPanelRows * 4 + kUnpackedBytes;
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
