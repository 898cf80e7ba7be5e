// SPDX-License-Identifier: MIT
#include "backends/onednn/panels.h"

#include "backends/onednn/runtime/gemm.h"
#include "compiler/passes/call_frame.h"

using namespace mlir;

namespace kvasir::onednn {
namespace {

using namespace kvasir::cpu;

constexpr unsigned kService = 0;
/// Half of the second-level cache of the machines that this was measured on.
constexpr int64_t kPanelBytes = 512 << 10;
constexpr int64_t kWidest = 256;

/// Sizes of one kernel's scratch: activations of all rows, then for each member a row in f32, panels, results.
struct Sizes {
  int64_t columns, tiles;
  bool isPaired;

  int64_t elementBytes() const { return isPaired ? 2 : 4; }
  int64_t rowBytes() const { return columns * elementBytes(); }
  int64_t ownRowBytes() const { return isPaired ? columns * 4 : 0; }
  int64_t widest() const { return widestPanel(columns, elementBytes()); }
  int64_t panelBytes() const {
    int64_t room = (widest() + ONEDNN_GEMM_ROOM - 1) / ONEDNN_GEMM_ROOM * ONEDNN_GEMM_ROOM;
    return columns * room * elementBytes();
  }
  int64_t resultBytes() const { return ONEDNN_GEMM_LAST * widest() * 4; }
  int64_t memberBytes() const { return ownRowBytes() + tiles * (panelBytes() + resultBytes()); }
};

/// A chunk of a set's units: a panel of each of its tiles.
struct Chunk {
  const PanelSet &set;
  Value firstUnit, units; ///< of 32 columns a tile
};

struct Rows {
  const Kernel &kernel;
  const ActivationFormat &format;
  const LinearInput &input;
  ArrayRef<PanelSet> sets;
  Sizes sizes;
  Value table;
  Code &code = kernel.code;

  Value element() const {
    return code.builder().create<arith::ConstantOp>(
        code.builder().getI32IntegerAttr(sizes.isPaired ? ONEDNN_GEMM_BF16 : ONEDNN_GEMM_F32));
  }

  Value call(size_t function, TypeRange results, ValueRange operands) const {
    Value address = code.load(code.ptr, code.at(table, int64_t(function)), 8);
    auto type = LLVM::LLVMFunctionType::get(results.empty() ? Type(LLVM::LLVMVoidType::get(code.builder().getContext()))
                                                            : results.front(),
                                            SmallVector<Type>(operands.getTypes()));
    SmallVector<Value> all{address};
    all.append(operands.begin(), operands.end());
    auto made = code.builder().create<LLVM::CallOp>(type, all);
    return results.empty() ? Value() : made.getResult();
  }

  Value can() const {
    Value answer = call(offsetof(onednn_gemm_table, can), code.i32,
                        {element(), code.num(input.columns), code.num(sizes.widest()), input.rows});
    Value one = code.builder().create<arith::ConstantOp>(code.builder().getI32IntegerAttr(1));
    return code.builder().create<arith::CmpIOp>(arith::CmpIPredicate::eq, answer, one);
  }

  // Scratch.
  Value own() const {
    Value shared = code.at(kernel.scratch, code.mul(input.rows, sizes.rowBytes()));
    return code.at(shared, code.mul(kernel.member, sizes.memberBytes()));
  }
  Value panel(int64_t tile) const { return code.at(own(), sizes.ownRowBytes() + tile * sizes.panelBytes()); }
  Value result(int64_t tile) const {
    return code.at(own(), sizes.ownRowBytes() + sizes.tiles * sizes.panelBytes() + tile * sizes.resultBytes());
  }

  /// Rounds this member's rows; they lie one after the other, in bf16 if panels do.
  void roundRows() const {
    Isa plain = kernel.isa;
    plain.hasBf16 = false;
    plain.name += "_plain";
    ActivationFormat rows;
    rows.rounding = format.rounding;
    auto [begin, end] = kernel.share(input.rows);
    code.loop(begin, end, 1, [&](Value row) {
      Value to = code.at(kernel.scratch, code.mul(row, sizes.rowBytes())), floats = sizes.isPaired ? own() : to;
      Value source = code.at(input.source, code.mul(row, input.columns * 4));
      emitActivationRow(code, kernel.module, plain, rows, input.columns, {source, code.num(0), code.num(1), floats},
                        input.norm, input.epsilon);
      if (sizes.isPaired)
        code.loop(code.num(0), code.num(input.columns / 16), 1, [&](Value part) {
          Value lanes = code.load(code.vec(16, code.f32), code.at(floats, code.mul(part, 64)));
          code.store(kernel.isa.toBf16(code, lanes), code.at(to, code.mul(part, 32)), 2);
        });
    });
    kernel.barrier();
  }

  /// Runs `body` on this member's columns, in chunks that are as wide as panels may be.
  void chunks(const std::function<void(const Chunk &)> &body) const {
    int64_t total = 0, before = 0, widest = sizes.widest() / kPanelRows;
    for (const PanelSet &set : sets)
      total += set.numPanels();
    auto [begin, end] = kernel.share(code.num(total));
    for (const PanelSet &set : sets) {
      Value first = firstUnit(code, set, begin, before), last = firstUnit(code, set, end, before);
      code.loop(first, last, widest,
                [&](Value unit) { body({set, unit, code.min(code.sub(last, unit), code.num(widest))}); });
      before += set.numPanels();
    }
  }

  /// Fills the panel of the chunk's tiles `tile`.
  void unpack(const Chunk &chunk, int64_t tile) const {
    const Linear &linear = chunk.set.linearOf(tile);
    Value facts = call(offsetof(onednn_gemm_table, panel), code.ptr,
                       {element(), code.num(input.columns), code.mul(chunk.units, kPanelRows)});
    auto fact = [&](size_t at) { return code.load(code.i64, code.at(facts, int64_t(at)), 8); };
    Value blockColumns = fact(offsetof(onednn_gemm_panel, block_columns));
    Value blockBytes = fact(offsetof(onednn_gemm_panel, block_bytes)), to = panel(tile);
    auto columnAt = [&](Value column) {
      Value block = code.div(column, blockColumns), lane = code.sub(column, code.mul(block, blockColumns));
      return code.at(code.at(to, code.mul(block, blockBytes)), code.mul(lane, 4));
    };
    int64_t groups = input.columns / kBlockColumns;
    code.loop(code.num(0), chunk.units, 1, [&](Value unit) {
      UnpackCall call;
      Value panel = chunk.set.panelOf(code, tile, code.add(chunk.firstUnit, unit));
      call.blocks = code.at(linear.blocks, code.mul(panel, linear.format.panelBytes(input.columns)));
      call.groups = code.num(groups);
      call.low = columnAt(code.mul(unit, kPanelRows));
      call.high = columnAt(code.add(code.mul(unit, kPanelRows), kPanelRows / 2));
      call.stepBytes = fact(offsetof(onednn_gemm_panel, step_bytes));
      emitUnpack(code, kernel.module, kernel.isa, linear.format, format.rounding, call);
    });
  }

  /// Runs `body` on the call's blocks of rows, as gemm.h cuts them.
  void rowBlocks(const std::function<void(Value first, Value count)> &body) const {
    Value left = code.sub(input.rows, code.num(ONEDNN_GEMM_LAST));
    Value whole = code.select(code.less(left, code.num(0)), code.num(0),
                              code.add(code.div(code.max(left, code.num(0)), ONEDNN_GEMM_ROWS), 1));
    code.loop(code.num(0), code.add(whole, 1), 1, [&](Value block) {
      Value first = code.mul(block, ONEDNN_GEMM_ROWS);
      body(first, code.select(code.less(block, whole), code.num(ONEDNN_GEMM_ROWS), code.sub(input.rows, first)));
    });
  }

  void emitChunk(const Chunk &chunk) const {
    int64_t numTiles = chunk.set.numTiles();
    Value columns = code.mul(chunk.units, kPanelRows);
    for (int64_t tile = 0; tile < numTiles; ++tile)
      unpack(chunk, tile);
    rowBlocks([&](Value first, Value count) {
      Value activations = code.at(kernel.scratch, code.mul(first, sizes.rowBytes()));
      for (int64_t tile = 0; tile < numTiles; ++tile)
        call(offsetof(onednn_gemm_table, multiply), {},
             {element(), code.num(input.columns), columns, count, activations, panel(tile), result(tile)});
      code.loop(code.num(0), count, 1, [&](Value row) {
        code.loop(code.num(0), chunk.units, 1, [&](Value unit) {
          Value at = code.mul(code.add(code.mul(row, columns), code.mul(unit, kPanelRows)), 4);
          SmallVector<Tile> tiles;
          for (int64_t tile = 0; tile < numTiles; ++tile)
            tiles.push_back({code.at(result(tile), at), {}});
          Value column = code.mul(code.add(chunk.firstUnit, unit), chunk.set.together * kPanelRows);
          chunk.set.epilogue(innerRow(code, code.add(first, row)), column, tiles);
        });
      });
    });
  }
};

Rows rowsOf(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input, ArrayRef<PanelSet> sets) {
  Code &code = kernel.code;
  Value table = CallFrame(code.builder(), code.builder().getLoc(), kernel.call).service(kService);
  return {kernel, format, input, sets, {input.columns, numTiles(sets), hasPairedPanels(format.rounding, kernel.isa)},
          table};
}

bool allGainInF32(ArrayRef<PanelSet> sets) {
  return llvm::all_of(sets, [](const PanelSet &set) {
    return llvm::all_of(set.linears, [](const Linear &linear) { return gainsInF32(linear.format); });
  });
}

} // namespace

bool gainsInF32(const WeightFormat &format) { return format.isGrouped() && (format.min || format.subgroups() > 1); }

int64_t widestPanel(int64_t depth, int64_t elementBytes) {
  return std::clamp(kPanelBytes / (depth * elementBytes) / kPanelRows * kPanelRows, kPanelRows, kWidest);
}

LinearScratch PanelRows::scratch(const ActivationFormat &, int64_t columns, int64_t tiles) const {
  // One kernel's signature serves all variants: f32 or pairs, the more of both.
  Sizes plain{columns, tiles, false}, paired{columns, tiles, true};
  return {64, plain.rowBytes(), int64_t(llvm::alignTo(std::max(plain.memberBytes(), paired.memberBytes()), 64))};
}

Value PanelRows::takes(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input,
                       ArrayRef<PanelSet> sets) const {
  Code &code = kernel.code;
  Type answer = code.builder().getI1Type();
  auto no = [&]() -> Values { return {code.builder().create<arith::ConstantOp>(code.builder().getBoolAttr(false))}; };
  bool isPaired = hasPairedPanels(format.rounding, kernel.isa);
  if (!isPaired && !allGainInF32(sets))
    return no().front();
  auto can = [&]() -> Values { return {rowsOf(kernel, format, input, sets).can()}; };
  auto ask = [&]() -> Values {
    Value address = code.builder().create<LLVM::PtrToIntOp>(code.i64, rowsOf(kernel, format, input, sets).table);
    return code.choose(code.equal(address, 0), no, can, answer);
  };
  Value isFew = code.less(input.rows, code.num(isPaired ? ONEDNN_GEMM_LEAST : ONEDNN_GEMM_LEAST_F32));
  return code.choose(isFew, no, ask, answer).front();
}

void PanelRows::emit(const Kernel &kernel, const ActivationFormat &format, const LinearInput &input,
                     ArrayRef<PanelSet> sets) const {
  Rows rows = rowsOf(kernel, format, input, sets);
  rows.roundRows();
  rows.chunks([&](const Chunk &chunk) { rows.emitChunk(chunk); });
}

} // namespace kvasir::onednn
