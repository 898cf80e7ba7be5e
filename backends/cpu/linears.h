// SPDX-License-Identifier: MIT
// The linears of one kernel: a prologue that rounds activations, panels shared out over the team, an epilogue.
#ifndef KVASIR_BACKENDS_CPU_LINEARS_H
#define KVASIR_BACKENDS_CPU_LINEARS_H

#include "backends/cpu/panel.h"
#include "backends/cpu/row_parts.h"

namespace kvasir::cpu {

class ManyRows;

/// What a kernel's body is written with.
struct Kernel {
  Code &code;
  mlir::ModuleOp module;
  const Isa &isa;
  Value call;                  ///< !llvm.ptr to kv_call
  Value member, members;       ///< i64
  Value scratch;               ///< 64-byte aligned
  std::optional<int64_t> rows; ///< T, where it is known
  const ManyRows *manyRows = nullptr;

  /// Waits for the team. What a cancelled call computes is dropped, so the result is not looked at.
  void barrier() const;

  /// A member's even share [begin, end) of `total`.
  std::pair<Value, Value> share(Value total) const;
};

/// The rows that the linears of a kernel share.
struct LinearInput {
  Value source;    ///< [M][K] f32
  Value rows;      ///< M
  int64_t columns; ///< K
  Value norm;      ///< K f32, or null: rows are scaled to unit root mean square first
  double epsilon = 0;
};

/// Rounds row `row` to place `place` of activations of so many rows.
void roundRow(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input, Value row, Value place,
              Value rows, Value activations);

/// What row `row` of the activations' `rows` leaves to be multiplied by; null where that is nothing.
Value loadUnit(Code &code, const ActivationFormat &format, const LinearInput &input, Value activations, Value rows,
               Value row);

struct Linear {
  WeightFormat format;
  int64_t rows; ///< N
  Value blocks; ///< the layer's first block
  Value bias;   ///< N f32, or null
};

/// 32 columns of a row of a linear's result.
struct Tile {
  Value address; ///< of 32 f32
  Value unit;    ///< f32 that they are still to be multiplied by, or null
  Value bias{};  ///< of 32 f32 that are added then, beside the linear's own, or null
};

/// A matrix [M][N] f32 that rows go to.
struct Destination {
  Value base;
  int64_t columns;
};

/// Linears of equal N whose panels are computed together, and what becomes of them.
struct PanelSet {
  SmallVector<Linear> linears;
  /// Takes the columns from `column` on of a row: of each linear the tiles of as many panels as are computed together.
  std::function<void(const PartRow &row, Value column, llvm::ArrayRef<Tile> tiles)> epilogue;
  int64_t together = 1; ///< panels of each linear, side by side; N / 32 is a multiple of it
  /// Asks for the lines that the epilogue stores the row's columns of a unit to, from `column` on, while they are
  /// computed: others read them last, or they left the caches long ago.
  std::function<void(Value row, Value column)> fetch = {};

  int64_t numPanels() const { return (linears.front().rows + kPanelRows - 1) / kPanelRows; }
  int64_t numUnits() const { return numPanels() / together; } ///< of panels that are computed together
  int64_t numTiles() const { return int64_t(linears.size()) * together; }
  const Linear &linearOf(int64_t tile) const { return linears[tile / together]; }
  /// The panel of linearOf(tile) that the tile of unit `unit` is a row of.
  Value panelOf(Code &code, int64_t tile, Value unit) const {
    return code.add(code.mul(unit, together), tile % together);
  }
};

/// Rows that are computed at a time: tiles of results come and go with each group of 32 columns.
int64_t rowBlock(const ActivationFormat &format);

/// Rows that arrays of activations have room for beyond those that are there. Where a group's rows take a multiple of
/// 4 KiB, all groups of a row would share a set of the first-level cache, which is written group by group.
constexpr int64_t kSpareRows = 2;

/// Bytes of scratch that emitLinears needs, for linears that are computed `tiles` at a time.
struct LinearScratch {
  int64_t fixedBytes = 0, bytesPerRow = 0, bytesPerMember = 0;
};
LinearScratch linearScratch(const ActivationFormat &format, int64_t columns, int64_t tiles,
                            const ManyRows *manyRows = nullptr);

/// Another way to compute linears of many rows, which a backend that stands on this folder brings. It is asked at run
/// time, call by call, and the kernels of this folder are emitted beside it.
class ManyRows {
public:
  virtual ~ManyRows() = default;

  /// Bytes of scratch that its code needs; a kernel gets the more of these and its own.
  virtual LinearScratch scratch(const ActivationFormat &format, int64_t columns, int64_t tiles) const = 0;

  /// Emits the question whether it computes the rows of this call: an i1, the same for each member.
  virtual Value takes(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input,
                      llvm::ArrayRef<PanelSet> sets) const = 0;

  /// Emits what emitLinears does.
  virtual void emit(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input,
                    llvm::ArrayRef<PanelSet> sets) const = 0;
};

/// The unit of `set` that a share begins with (or the one before ends with) whose first panel is `panel`, of all sets'
/// panels, of which `before` come before this set's.
Value firstUnit(Code &code, const PanelSet &set, Value panel, int64_t before);

/// The most tiles of a set.
int64_t numTiles(llvm::ArrayRef<PanelSet> sets);

void emitLinears(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input,
                 llvm::ArrayRef<PanelSet> sets);

} // namespace kvasir::cpu

#endif
