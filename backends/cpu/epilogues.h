// SPDX-License-Identifier: MIT
// What becomes of 32 columns of a linear's row.
#ifndef KVASIR_BACKENDS_CPU_EPILOGUES_H
#define KVASIR_BACKENDS_CPU_EPILOGUES_H

#include "backends/cpu/linears.h"

#include <numeric>

namespace kvasir::cpu {

/// Turns pairs of lanes by the angles [M][R / 2][2] of a row. R and D are multiples of 16.
struct Rotation {
  Value angles;
  int64_t lanes;           ///< R
  bool isOfHalves = false; ///< lanes i and i + R / 2 are a pair, else lanes 2i and 2i + 1
};

/// Scales heads to unit root mean square, then each lane by its weight.
struct HeadNorm {
  Value weight; ///< D f32
  double epsilon;
};

/// What is done to heads before they are stored: they are normed, then turned.
struct HeadSteps {
  int64_t width; ///< D
  std::optional<HeadNorm> norm = {};
  std::optional<Rotation> rotation = {};
};

/// How many panels are computed together where heads of `width` lanes are normed or turned in halves: as few as hold
/// whole heads.
constexpr int64_t panelsOfHeads(int64_t width) { return std::lcm(width, kPanelRows) / kPanelRows; }

/// One layer of a cache that rows are appended to.
struct CacheRows {
  unsigned slot;
  Value layer;          ///< i64
  int64_t heads, width; ///< G, D
  bool isKeys;          ///< else values: the two are laid out differently
  bool isHalf = false;  ///< rows are f16, not bf16
};

/// result = y + bias
void emitStore(const Kernel &kernel, const Linear &linear, const Destination &to, Value row, Value column, Tile tile);

/// Makes lanes of others, each of one.
using LaneMap = llvm::function_ref<Value(Value lanes)>;

/// result = addend + map(y + bias), or without one or both. The addend may be the destination.
void emitStoreSum(const Kernel &kernel, const Linear &linear, const Destination &to, Value addend, Value row,
                  Value column, Tile tile, LaneMap map = {});

/// What a gate is multiplied by is a share of it: GELU's, or 1 / (1 + e^(-slope gate)). A clamped one is at most
/// `limit`, and multiplies one more than an `up` that is from -limit to limit.
struct Gate {
  enum Function { gelu, silu, clampedSilu } function;
  float limit, slope;

  Gate(Function function, float limit = 0, float slope = 1) : function(function), limit(limit), slope(slope) {}
};

/// result = gate * share(gate) * up
void emitStoreGated(const Kernel &kernel, const Gate &gate, const Destination &to, Value row, Value column, Tile gated,
                    Tile up);

/// Adds share * y to result, where `isFirst` says so to the addend instead, or to nothing where that is null. The
/// addend may be the destination.
void emitAddShare(const Kernel &kernel, const Destination &to, Value addend, Value isFirst, Value share, Value row,
                  Value column, Tile tile);

/// cap * tanh(lanes / cap), within 4e-7 of the cap.
Value emitSoftcap(Code &code, Value lanes, float cap);

/// Rows of heads, to a matrix or to the cache. Takes one tile, or panelsOfHeads(width) of them where heads are normed
/// (in the tiles) or turned in halves.
void emitStoreHeads(const Kernel &kernel, const Linear &linear, const Destination &to, const HeadSteps &heads,
                    Value row, Value column, llvm::ArrayRef<Tile> tiles);
void emitAppend(const Kernel &kernel, const Linear &linear, const CacheRows &cache, const HeadSteps &heads,
                const PartRow &row, Value column, llvm::ArrayRef<Tile> tiles);

/// Ask for the lines that `columns` columns of a row will be stored to, from `column` on.
void emitFetch(const Kernel &kernel, const Destination &to, Value row, Value column, int64_t columns);
void emitFetch(const Kernel &kernel, const CacheRows &cache, Value row, Value column, int64_t columns);

/// Within 2e-7 of 2^x, or within 1.1e-4 for what is rounded to bf16 afterwards, by up to 2e-3.
enum class Exp2 { fine, coarse };

/// Each lane x of each vector becomes 2^(x - offset), of a power up to 127; below -126 the smallest normal number.
/// `offset` is whole numbers below 2^22, 0 if null. Step by step for all of the vectors: one by one, their chains of
/// instructions fill the machine's window.
void emitExp2(Code &code, llvm::MutableArrayRef<Value> vectors, Exp2 accuracy = Exp2::fine, Value offset = {});

} // namespace kvasir::cpu

#endif
