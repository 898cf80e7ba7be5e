// SPDX-License-Identifier: MIT
#include "backends/cpu/epilogues.h"

#include "backends/cpu/cache_layout.h"
#include "compiler/passes/call_frame.h"

using namespace mlir;

namespace kvasir::cpu {
namespace {

constexpr int64_t kLanes = 16;

/// What lies at `lane` of a tile, whole.
Value loadTile(Code &code, Type type, Tile tile, Value lane) {
  Value at = code.mul(lane, 4), y = code.load(type, code.at(tile.address, at));
  auto vector = dyn_cast<VectorType>(type);
  if (tile.unit)
    y = code.mulF(y, vector ? code.splat(vector.getNumElements(), tile.unit) : tile.unit);
  return tile.bias ? code.addF(y, code.load(type, code.at(tile.bias, at))) : y;
}

/// `lanes` columns of a row from `at` on, with bias; they lie at `lane` of a tile.
Value loadBiased(Code &code, const Linear &linear, int64_t lanes, Tile tile, int64_t lane, Value at) {
  Type type = code.vec(lanes, code.f32);
  Value y = loadTile(code, type, tile, code.num(lane));
  return linear.bias ? code.addF(y, code.load(type, code.at(linear.bias, code.mul(at, 4)))) : y;
}

/// Takes lanes, and the first's column.
using TakeLanes = llvm::function_ref<void(Value y, Value at)>;

/// Runs `take` on the two halves of a panel's 32 columns.
void forHalves(const Kernel &kernel, const Linear &linear, Value column, Tile tile, TakeLanes take) {
  for (int64_t half = 0; half < kPanelRows; half += kLanes) {
    Value at = kernel.code.add(column, half);
    take(loadBiased(kernel.code, linear, kLanes, tile, half, at), at);
  }
}

Value elementOf(Code &code, const Destination &to, Value row, Value column) {
  return code.at(to.base, code.mul(code.add(code.mul(row, to.columns), column), 4));
}

/// The last panel of a matrix whose N is no multiple of 32, column by column.
void emitTail(const Kernel &kernel, const Linear &linear, const Destination &to, Value addend, Value row, Value column,
              Tile tile, LaneMap map) {
  Code &code = kernel.code;
  code.loop(column, code.num(linear.rows), 1, [&](Value at) {
    Value y = loadTile(code, code.f32, tile, code.sub(at, column));
    if (linear.bias)
      y = code.addF(y, code.load(code.f32, code.at(linear.bias, code.mul(at, 4))));
    if (map)
      y = code.extract(map(code.splat(1, y)), 0);
    if (addend)
      y = code.addF(code.load(code.f32, elementOf(code, {addend, to.columns}, row, at)), y);
    code.store(y, elementOf(code, to, row, at));
  });
}

Value rotate(const Kernel &kernel, const Rotation &rotation, int64_t width, Value row, Value column, Value y) {
  Code &code = kernel.code;
  Value lane = code.rem(column, width);
  auto turned = [&]() -> Values {
    Value at = code.mul(code.add(code.mul(row, rotation.lanes), lane), 4);
    Value angles = code.load(code.vec(kLanes, code.f32), code.at(rotation.angles, at));
    SmallVector<int64_t> cosines, sines, swapped;
    SmallVector<float> signs;
    for (int64_t i = 0; i < kLanes; ++i) {
      cosines.push_back(i & ~1), sines.push_back(i | 1), swapped.push_back(i ^ 1);
      signs.push_back(i & 1 ? 1.0f : -1.0f);
    }
    Value sign = code.builder().create<arith::ConstantOp>(
        DenseElementsAttr::get(code.vec(kLanes, code.f32), ArrayRef<float>(signs)));
    Value cross = code.mulF(code.shuffle(y, y, swapped), code.mulF(code.shuffle(angles, angles, sines), sign));
    return {code.fma(y, code.shuffle(angles, angles, cosines), cross)};
  };
  if (rotation.lanes == width)
    return turned()[0];
  return code.choose(code.less(lane, code.num(rotation.lanes)), turned, [&] { return Values{y}; }, y.getType())[0];
}

/// Cosines and sines of `lanes` pairs from the `pair`th on.
std::pair<Value, Value> loadAngles(Code &code, const Rotation &rotation, Value row, int64_t pair, int64_t lanes) {
  Value at = code.mul(code.add(code.mul(row, rotation.lanes), 2 * pair), 4);
  Value angles = code.load(code.vec(2 * lanes, code.f32), code.at(rotation.angles, at));
  SmallVector<int64_t> cosines, sines;
  for (int64_t i = 0; i < lanes; ++i)
    cosines.push_back(2 * i), sines.push_back(2 * i + 1);
  return {code.shuffle(angles, angles, cosines), code.shuffle(angles, angles, sines)};
}

/// Runs `take` on the lanes of a head, which begins `first` lanes after `column`, the first of the tiles' columns.
/// Lanes that are a pair lie R / 2 apart, maybe in other tiles.
void forHead(const Kernel &kernel, const Linear &linear, const Rotation &rotation, int64_t width, Value row,
             Value column, int64_t first, ArrayRef<Tile> tiles, TakeLanes take) {
  Code &code = kernel.code;
  int64_t half = rotation.lanes / 2, step = half % kLanes == 0 ? kLanes : kLanes / 2;
  auto at = [&](int64_t lane) { return code.add(column, first + lane); };
  auto load = [&](int64_t lane, int64_t lanes) {
    int64_t place = first + lane;
    return loadBiased(code, linear, lanes, tiles[place / kPanelRows], place % kPanelRows, at(lane));
  };
  for (int64_t lane = 0; lane < half; lane += step) {
    auto [cosines, sines] = loadAngles(code, rotation, row, lane, step);
    Value x = load(lane, step), y = load(half + lane, step);
    Value minus = code.mulF(sines, code.splat(step, -1.0f));
    take(code.fma(x, cosines, code.mulF(y, minus)), at(lane));
    take(code.fma(y, cosines, code.mulF(x, sines)), at(half + lane));
  }
  for (int64_t lane = rotation.lanes; lane < width; lane += kLanes)
    take(load(lane, kLanes), at(lane));
}

/// Norms the head that begins at lane `first` of a row's tiles, where it lies: it has its bias then.
void normHead(const Kernel &kernel, const Linear &linear, const HeadSteps &heads, Value column, int64_t first,
              ArrayRef<Tile> tiles) {
  Code &code = kernel.code;
  auto &b = code.builder();
  auto constant = [&](double value) { return b.create<arith::ConstantOp>(b.getF32FloatAttr(float(value))); };
  Type sixteen = code.vec(kLanes, code.f32);
  Values lanes, sums(2, code.zero(sixteen));
  for (int64_t place = first; place < first + heads.width; place += kLanes) {
    Value y = loadBiased(code, linear, kLanes, tiles[place / kPanelRows], place % kPanelRows, code.add(column, place));
    Value &sum = sums[lanes.size() % 2];
    sum = code.fma(y, y, sum);
    lanes.push_back(y);
  }
  Value factor =
      inverseRootMean(code, code.addF(sums[0], sums[1]), constant(double(heads.width)), constant(heads.norm->epsilon));
  factor = code.splat(kLanes, factor);
  for (auto [i, y] : llvm::enumerate(lanes)) {
    int64_t lane = int64_t(i) * kLanes, place = first + lane;
    Value weight = code.load(sixteen, code.at(heads.norm->weight, lane * 4));
    Value to = code.at(tiles[place / kPanelRows].address, place % kPanelRows * 4);
    code.store(code.mulF(code.mulF(y, factor), weight), to);
  }
}

/// Runs `take` on the lanes of heads that need no norm, turned; it may be given 8 or 16 at a time.
void forTurned(const Kernel &kernel, const Linear &linear, const HeadSteps &heads, Value row, Value column,
               ArrayRef<Tile> tiles, TakeLanes take) {
  const std::optional<Rotation> &rotation = heads.rotation;
  int64_t lanes = int64_t(tiles.size()) * kPanelRows;
  if (rotation && rotation->isOfHalves) {
    for (int64_t first = 0; first < lanes; first += heads.width)
      forHead(kernel, linear, *rotation, heads.width, row, column, first, tiles, take);
    return;
  }
  for (auto [i, tile] : llvm::enumerate(tiles))
    forHalves(kernel, linear, kernel.code.add(column, int64_t(i) * kPanelRows), tile,
              [&](Value y, Value at) { take(rotation ? rotate(kernel, *rotation, heads.width, row, at, y) : y, at); });
}

/// Runs `take` on the lanes of a row's tiles, normed and turned.
void forLanes(const Kernel &kernel, const Linear &linear, const HeadSteps &heads, Value row, Value column,
              ArrayRef<Tile> tiles, TakeLanes take) {
  if (!heads.norm)
    return forTurned(kernel, linear, heads, row, column, tiles, take);
  for (int64_t first = 0; first < int64_t(tiles.size()) * kPanelRows; first += heads.width)
    normHead(kernel, linear, heads, column, first, tiles);
  Linear biased = linear;
  biased.bias = {};
  SmallVector<Tile> normed(tiles);
  for (Tile &tile : normed)
    tile.unit = {};
  forTurned(kernel, biased, heads, row, column, normed, take);
}

/// Where row `row` of the call goes: lane 0 of `head` in its block, and the token within the block.
std::pair<Value, Value> cacheRow(const Kernel &kernel, const CacheRows &cache, Value row, Value head) {
  Code &code = kernel.code;
  CallFrame frame(code.builder(), code.builder().getLoc(), kernel.call);
  Value token = code.toIndex(row), position = code.fromIndex(frame.position(token));
  Value block = code.toIndex(code.div(position, kBlockTokens));
  Value base = frame.block(cache.slot, frame.tokenSequence(token), block);
  Value number = code.add(code.mul(cache.layer, cache.heads), head);
  return {code.at(base, code.mul(number, cacheHeadBytes(cache.width))), code.rem(position, kBlockTokens)};
}

} // namespace

void emitStore(const Kernel &kernel, const Linear &linear, const Destination &to, Value row, Value column, Tile tile) {
  emitStoreSum(kernel, linear, to, {}, row, column, tile);
}

void emitStoreSum(const Kernel &kernel, const Linear &linear, const Destination &to, Value addend, Value row,
                  Value column, Tile tile, LaneMap map) {
  Code &code = kernel.code;
  auto whole = [&] {
    forHalves(kernel, linear, column, tile, [&](Value y, Value at) {
      if (map)
        y = map(y);
      if (addend)
        y = code.addF(code.load(y.getType(), elementOf(code, {addend, to.columns}, row, at)), y);
      code.store(y, elementOf(code, to, row, at));
    });
  };
  if (linear.rows % kPanelRows == 0)
    return whole();
  code.when(code.less(code.add(column, kPanelRows - 1), code.num(linear.rows)), whole,
            [&] { emitTail(kernel, linear, to, addend, row, column, tile, map); });
}

/// The power of 2 with which a gate's share is 1 / (1 + 2^power).
static Value gatePower(Code &code, const Gate &gate, Value g) {
  auto constant = [&](float value) { return code.splat(lanesOf(g), value); };
  if (gate.function != Gate::gelu)
    return code.mulF(g, constant(-1.44269504f * gate.slope));
  // (1 + tanh s) / 2 = 1 / (1 + e^-2s), s = sqrt(2 / pi) (g + 0.044715 g^3)
  constexpr float kOfFirst = -2.30220820f, kOfThird = 0.044715f * kOfFirst;
  return code.mulF(g, code.fma(code.mulF(g, g), constant(kOfThird), constant(kOfFirst)));
}

void emitStoreGated(const Kernel &kernel, const Gate &gate, const Destination &to, Value row, Value column, Tile gated,
                    Tile up) {
  Code &code = kernel.code;
  Type lanes = code.vec(kLanes, code.f32);
  auto constant = [&](float value) { return code.splat(kLanes, value); };
  for (int64_t half = 0; half < 2; ++half) {
    Value lane = code.num(half * kLanes), g = loadTile(code, lanes, gated, lane), u = loadTile(code, lanes, up, lane);
    if (gate.function == Gate::clampedSilu) {
      g = code.minF(g, constant(gate.limit));
      u = code.addF(code.maxF(code.minF(u, constant(gate.limit)), constant(-gate.limit)), constant(1));
    }
    Value power = code.minF(gatePower(code, gate, g), constant(126));
    emitExp2(code, power);
    Value shared = code.divF(g, code.addF(constant(1), power));
    code.store(code.mulF(shared, u), elementOf(code, to, row, code.add(column, half * kLanes)));
  }
}

void emitAddShare(const Kernel &kernel, const Destination &to, Value addend, Value isFirst, Value share, Value row,
                  Value column, Tile tile) {
  Code &code = kernel.code;
  Type lanes = code.vec(kLanes, code.f32);
  Value from = addend ? code.select(isFirst, addend, to.base) : to.base;
  for (int64_t half = 0; half < kPanelRows; half += kLanes) {
    Value at = code.add(column, half), before = code.load(lanes, elementOf(code, {from, to.columns}, row, at));
    if (!addend)
      before = code.select(isFirst, code.zero(lanes), before);
    Value sum = code.fma(loadTile(code, lanes, tile, code.num(half)), code.splat(kLanes, share), before);
    code.store(sum, elementOf(code, to, row, at));
  }
}

void emitStoreHeads(const Kernel &kernel, const Linear &linear, const Destination &to, const HeadSteps &heads,
                    Value row, Value column, ArrayRef<Tile> tiles) {
  forLanes(kernel, linear, heads, row, column, tiles,
           [&](Value y, Value at) { kernel.code.store(y, elementOf(kernel.code, to, row, at)); });
}

/// Where lanes of a key from `lane` on go: the first of them (of bf16, the first pair), and the bytes from one to the
/// next.
static std::pair<Value, int64_t> keyAt(Code &code, const CacheRows &cache, Value base, Value token, Value lane) {
  int64_t bytes = cache.isHalf ? 2 : 4;
  Value tile = code.at(base, code.mul(code.div(token, kKeyTile), kKeyTile * cache.width * 2));
  Value first = code.add(code.mul(lane, kKeyTile * 2), code.mul(code.rem(token, kKeyTile), bytes));
  return {code.at(tile, first), kKeyTile * bytes};
}

/// Where lanes of a value from `lane` on go; of bf16, the words that hold them and those of another token.
static Value valueAt(Code &code, const CacheRows &cache, Value base, Value token, Value lane) {
  if (cache.isHalf)
    return code.at(base, code.mul(code.add(code.mul(token, cache.width), lane), 2));
  return code.at(base, code.mul(code.add(code.mul(code.div(token, 2), cache.width), lane), 4));
}

/// Lanes from `lane` on of a token's row, as f16.
static void storeHalf(Code &code, const CacheRows &cache, Value base, Value token, Value lane, Value y) {
  Value half = code.builder().create<arith::TruncFOp>(code.vec(lanesOf(y), code.f16), y);
  if (!cache.isKeys)
    return code.store(half, valueAt(code, cache, base, token, lane), 2);
  auto [first, step] = keyAt(code, cache, base, token, lane);
  for (int64_t i = 0; i < lanesOf(y); ++i)
    code.store(code.extract(half, i), code.at(first, i * step), 2);
}

/// The same as bf16.
static void storeBf16(const Kernel &kernel, const CacheRows &cache, const PartRow &row, Value base, Value token,
                      Value lane, Value y) {
  Code &code = kernel.code;
  Value rounded = kernel.isa.toBf16(code, y);
  if (cache.isKeys) {
    auto [first, step] = keyAt(code, cache, base, token, lane);
    Value pairs = code.bitcast(rounded, code.vec(lanesOf(y) / 2, code.i32));
    for (int64_t pair = 0; pair < lanesOf(y) / 2; ++pair)
      code.store(code.extract(pairs, pair), code.at(first, pair * step), 4);
    return;
  }
  // A pair of tokens' values share words. A member that computes both writes the other half as it finds it.
  auto &b = code.builder();
  Value at = valueAt(code, cache, base, token, lane), half = code.rem(token, 2);
  Value isAlone = code.select(code.equal(half, 0), row.isLast, row.isFirst);
  auto storeHalves = [&] {
    Value mine = code.at(at, code.mul(half, 2));
    for (int64_t i = 0; i < lanesOf(y); ++i)
      code.store(code.extract(rounded, i), code.at(mine, i * 4), 2);
  };
  code.when(isAlone, storeHalves, [&] {
    Type words = code.vec(lanesOf(y), code.i32);
    Value up = code.splat(lanesOf(y), Value(b.create<arith::TruncIOp>(code.i32, code.mul(half, 16))));
    Value mine = b.create<arith::ShLIOp>(b.create<arith::ExtUIOp>(words, rounded), up);
    Value mask = b.create<arith::ShRUIOp>(code.splat(lanesOf(y), code.i32, int64_t(int32_t(0xffff0000))), up);
    code.store(code.orI(mine, code.andI(code.load(words, at), mask)), at);
  });
}

void emitAppend(const Kernel &kernel, const Linear &linear, const CacheRows &cache, const HeadSteps &heads,
                const PartRow &row, Value column, ArrayRef<Tile> tiles) {
  Code &code = kernel.code;
  forLanes(kernel, linear, heads, row.number, column, tiles, [&](Value y, Value at) {
    Value lane = code.rem(at, cache.width);
    auto [base, token] = cacheRow(kernel, cache, row.number, code.div(at, cache.width));
    cache.isHalf ? storeHalf(code, cache, base, token, lane, y) : storeBf16(kernel, cache, row, base, token, lane, y);
  });
}

void emitFetch(const Kernel &kernel, const Destination &to, Value row, Value column, int64_t columns) {
  for (int64_t byte = 0; byte < columns * 4; byte += 64)
    kernel.code.prefetchToWrite(kernel.code.at(elementOf(kernel.code, to, row, column), byte));
}

void emitFetch(const Kernel &kernel, const CacheRows &cache, Value row, Value column, int64_t columns) {
  Code &code = kernel.code;
  auto fetch = [&] {
    for (int64_t piece = 0; piece < columns; piece += kLanes) {
      Value at = code.add(column, piece), lane = code.rem(at, cache.width);
      auto [base, token] = cacheRow(kernel, cache, row, code.div(at, cache.width));
      if (!cache.isKeys) {
        code.prefetchToWrite(valueAt(code, cache, base, token, lane));
        continue;
      }
      auto [first, step] = keyAt(code, cache, base, token, lane);
      for (int64_t line = 0; line < kLanes * kKeyTile * 2; line += step)
        code.prefetchToWrite(code.at(first, line));
    }
  };
  if (!cache.isKeys)
    return fetch();
  // A line holds one element of the keys of many tokens.
  CallFrame frame(code.builder(), code.builder().getLoc(), kernel.call);
  Value token = code.toIndex(row), first = code.fromIndex(frame.first(frame.tokenSequence(token)));
  Value isFirst = code.equal(code.sub(row, first), 0);
  Value beginsLine = code.equal(code.rem(code.fromIndex(frame.position(token)), cache.isHalf ? 32 : 16), 0);
  code.when(code.orI(isFirst, beginsLine), fetch);
}

Value emitSoftcap(Code &code, Value lanes, float cap) {
  auto constant = [&](float value) { return code.splat(lanesOf(lanes), value); };
  // tanh x = 1 - 2 / (1 + e^2x)
  Value power = code.minF(code.mulF(lanes, constant(2.88539008f / cap)), constant(126.0f));
  emitExp2(code, power);
  Value rest = code.divF(constant(2.0f), code.addF(constant(1.0f), power));
  Value capped = code.mulF(constant(cap), code.subF(constant(1.0f), rest));
  // Of what is no number, emitExp2 makes one.
  Value isNumber = code.builder().create<arith::CmpFOp>(arith::CmpFPredicate::ORD, lanes, lanes);
  return code.select(isNumber, capped, lanes);
}

void emitExp2(Code &code, MutableArrayRef<Value> xs, Exp2 accuracy, Value offset) {
  // 2^(x - offset) = 2^n * 2^f with |f| <= 1/2; adding 1.5 * 2^23 - offset leaves n in the low bits. 2^f is a
  // polynomial.
  constexpr float kFine[] = {1.33335581e-3f, 9.61812911e-3f, 5.55041087e-2f, 2.40226507e-1f, 6.93147181e-1f, 1.0f};
  constexpr float kCoarse[] = {5.50089324e-2f, 2.42210966e-1f, 6.93282926e-1f, 1.0f};
  auto coefficients = accuracy == Exp2::fine ? ArrayRef<float>(kFine) : ArrayRef<float>(kCoarse);
  Type type = xs[0].getType(), words = code.vec(lanesOf(xs[0]), code.i32);
  auto constant = [&](float value) { return code.splat(lanesOf(xs[0]), value); };
  auto forEach = [&](llvm::function_ref<void(size_t)> step) {
    for (size_t i = 0; i < xs.size(); ++i)
      step(i);
  };
  Value least = constant(-126.0f), magic = constant(12582912.0f);
  if (offset)
    least = code.addF(offset, least), magic = code.subF(magic, offset);
  Values shifted(xs.size()), powers(xs.size(), constant(coefficients.front()));
  forEach([&](size_t i) { xs[i] = code.maxF(xs[i], least); });
  forEach([&](size_t i) { shifted[i] = code.addF(xs[i], magic); });
  forEach([&](size_t i) { xs[i] = code.subF(xs[i], code.subF(shifted[i], magic)); });
  for (float coefficient : coefficients.drop_front())
    forEach([&](size_t i) { powers[i] = code.fma(powers[i], xs[i], constant(coefficient)); });
  forEach([&](size_t i) {
    Value exponent = code.shl(code.bitcast(shifted[i], words), 23);
    xs[i] = code.bitcast(code.addI(code.bitcast(powers[i], words), exponent), type);
  });
}

} // namespace kvasir::cpu
