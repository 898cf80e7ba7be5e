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

  /// Into activations of so many rows.
  void roundRow(Value row, Value rows, Value destination) const {
    Value source = code.at(input.source, code.mul(row, input.columns * 4));
    emitActivationRow(code, kernel.module, kernel.isa, format, input.columns, {source, row, rows, destination},
                      input.norm, input.epsilon);
  }

  Value roundRows(Value own) const {
    Value isFew = code.less(input.rows, code.num(kOwnRows + 1));
    Value activations = code.select(isFew, own, kernel.scratch);
    auto [begin, end] = kernel.share(input.rows);
    begin = code.select(isFew, code.num(0), begin);
    end = code.select(isFew, input.rows, end);
    code.loop(begin, end, 1, [&](Value row) { roundRow(row, stride(), activations); });
    code.when(isFew, [] {}, [&] { kernel.barrier(); });
    return activations;
  }

  /// Runs `body` on this member's panels: the set and the unit's number in it.
  void units(const std::function<void(const PanelSet &, Value)> &body) const {
    int64_t total = 0;
    for (const PanelSet &set : sets)
      total += set.numPanels();
    auto [begin, end] = kernel.share(code.num(total));
    int64_t before = 0;
    for (const PanelSet &set : sets) {
      Value first = firstUnit(code, set, begin, before), last = firstUnit(code, set, end, before);
      code.loop(first, last, 1, [&](Value unit) { body(set, unit); });
      before += set.numPanels();
    }
  }

  Value firstColumn(const PanelSet &set, Value unit) const { return code.mul(unit, set.together * kPanelRows); }

  /// What row `row` of the activations' `rows` leaves to be multiplied by.
  Value unitOf(Value activations, Value rows, Value row) const {
    if (!format.isInt())
      return {};
    return code.load(code.f32, unitAddress(code, format, activations, groups(), rows, row));
  }

  PanelCall panelCall(const Linear &linear, Value panel) const {
    int64_t panelBytes = linear.format.panelBytes(input.columns);
    PanelCall call;
    call.weight = code.at(linear.blocks, code.mul(panel, panelBytes));
    call.groups = groups();
    return call;
  }

  /// Other members read these lines last, and the stores of the epilogue would wait for them one by one.
  void fetchResults(const PanelSet &set, Value unit, Value firstRow, Value count) const {
    if (!set.result)
      return;
    code.loop(code.num(0), count, 1, [&](Value row) {
      Value at = code.add(code.mul(code.add(firstRow, row), set.result->columns), firstColumn(set, unit));
      for (int64_t line = 0; line < set.together * kPanelRows * 4; line += 64)
        code.prefetchToWrite(code.at(code.at(set.result->base, code.mul(at, 4)), line));
    });
  }

  void emitOneRow() const {
    Value own = memberScratch();
    roundRow(code.num(0), code.num(1), own);
    Value unit = unitOf(own, code.num(1), code.num(0));
    units([&](const PanelSet &set, Value number) {
      SmallVector<Tile> tiles;
      for (int64_t index = 0; index < set.numTiles(); ++index) {
        const Linear &linear = set.linearOf(index);
        PanelCall call = panelCall(linear, set.panelOf(code, index, number));
        call.activations = own;
        call.firstRow = code.num(0);
        call.rows = call.count = code.num(1);
        tiles.push_back({call.result = tile(own, index), unit});
        call.unpacked = unpacked(own);
        emitPanelOfOneRow(code, kernel.module, kernel.isa, linear.format, format, call);
      }
      set.epilogue(code.num(0), firstColumn(set, number), tiles);
    });
  }

  void emitRows() const {
    Value own = memberScratch();
    Value activations = roundRows(own);
    code.loop(code.num(0), input.rows, rowBlock(format), [&](Value firstRow) {
      Value count = code.min(code.sub(input.rows, firstRow), code.num(rowBlock(format)));
      units([&](const PanelSet &set, Value number) {
        fetchResults(set, number, firstRow, count);
        for (int64_t index = 0; index < set.numTiles(); ++index) {
          const Linear &linear = set.linearOf(index);
          PanelCall call = panelCall(linear, set.panelOf(code, index, number));
          call.activations = activations;
          call.firstRow = firstRow;
          call.rows = stride();
          call.count = count;
          call.result = tile(own, index);
          call.unpacked = unpacked(own);
          emitPanelOfRows(code, kernel.module, kernel.isa, linear.format, format, call);
        }
        code.loop(code.num(0), count, 1, [&](Value row) {
          Value rowOfCall = code.add(firstRow, row), unit = unitOf(activations, stride(), rowOfCall);
          SmallVector<Tile> tiles;
          for (int64_t index = 0; index < set.numTiles(); ++index)
            tiles.push_back({code.at(tile(own, index), code.mul(row, kPanelRows * 4)), unit});
          set.epilogue(rowOfCall, firstColumn(set, number), tiles);
        });
      });
    });
  }
};

} // namespace

std::pair<Value, Value> Kernel::share(Value total) const {
  Value begin = code.div(code.mul(total, member), members);
  Value end = code.div(code.mul(total, code.add(member, 1)), members);
  return {begin, end};
}

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
