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
  Value y = code.load(type, code.at(tile.address, code.mul(lane, 4)));
  if (!tile.unit)
    return y;
  auto vector = dyn_cast<VectorType>(type);
  return code.mulF(y, vector ? code.splat(vector.getNumElements(), tile.unit) : tile.unit);
}

/// Runs `body` on the two halves of a panel's 32 columns: the lanes (with bias), their first column.
void forHalves(const Kernel &kernel, const Linear &linear, Value column, Tile tile,
               const std::function<void(Value, Value)> &body) {
  Code &code = kernel.code;
  Type lanes = code.vec(kLanes, code.f32);
  for (int64_t half = 0; half < 2; ++half) {
    Value at = code.add(column, half * kLanes), y = loadTile(code, lanes, tile, code.num(half * kLanes));
    if (linear.bias)
      y = code.addF(y, code.load(lanes, code.at(linear.bias, code.mul(at, 4))));
    body(y, at);
  }
}

Value elementOf(Code &code, const Destination &to, Value row, Value column) {
  return code.at(to.base, code.mul(code.add(code.mul(row, to.columns), column), 4));
}

/// The last panel of a matrix whose N is no multiple of 32, column by column.
void emitTail(const Kernel &kernel, const Linear &linear, const Destination &to, Value addend, Value row, Value column,
              Tile tile) {
  Code &code = kernel.code;
  code.loop(column, code.num(linear.rows), 1, [&](Value at) {
    Value y = loadTile(code, code.f32, tile, code.sub(at, column));
    if (linear.bias)
      y = code.addF(y, code.load(code.f32, code.at(linear.bias, code.mul(at, 4))));
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
  return code.choose(
      code.less(lane, code.num(rotation.lanes)), turned, [&] { return Values{y}; }, y.getType())[0];
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
                  Value column, Tile tile) {
  Code &code = kernel.code;
  auto whole = [&] {
    forHalves(kernel, linear, column, tile, [&](Value y, Value at) {
      if (addend)
        y = code.addF(code.load(y.getType(), elementOf(code, {addend, to.columns}, row, at)), y);
      code.store(y, elementOf(code, to, row, at));
    });
  };
  if (linear.rows % kPanelRows == 0)
    return whole();
  code.when(code.less(code.add(column, kPanelRows - 1), code.num(linear.rows)), whole,
            [&] { emitTail(kernel, linear, to, addend, row, column, tile); });
}

void emitStoreGated(const Kernel &kernel, const Destination &to, Value row, Value column, Tile gate, Tile up) {
  Code &code = kernel.code;
  Type lanes = code.vec(kLanes, code.f32);
  for (int64_t half = 0; half < 2; ++half) {
    Value lane = code.num(half * kLanes), g = loadTile(code, lanes, gate, lane), u = loadTile(code, lanes, up, lane);
    Value power = code.minF(code.mulF(g, code.splat(kLanes, -1.44269504f)), code.splat(kLanes, 126.0f));
    Value silu = code.divF(g, code.addF(code.splat(kLanes, 1.0f), emitExp2(code, power)));
    code.store(code.mulF(silu, u), elementOf(code, to, row, code.add(column, half * kLanes)));
  }
}

void emitStoreRotated(const Kernel &kernel, const Linear &linear, const Destination &to,
                      const std::optional<Rotation> &rotation, int64_t width, Value row, Value column, Tile tile) {
  forHalves(kernel, linear, column, tile, [&](Value y, Value at) {
    if (rotation)
      y = rotate(kernel, *rotation, width, row, at, y);
    kernel.code.store(y, elementOf(kernel.code, to, row, at));
  });
}

/// Lanes from `lane` on of a token's row, as f16.
static void storeHalf(Code &code, const CacheRows &cache, Value base, Value token, Value lane, Value y) {
  Value half = code.builder().create<arith::TruncFOp>(code.vec(kLanes, code.f16), y);
  if (!cache.isKeys)
    return code.store(half, code.at(base, code.mul(code.add(code.mul(token, cache.width), lane), 2)), 2);
  Value tileBase = code.at(base, code.mul(code.div(token, kKeyTile), kKeyTile * cache.width * 2));
  Value first = code.at(tileBase, code.mul(code.add(code.mul(lane, kKeyTile), code.rem(token, kKeyTile)), 2));
  for (int64_t i = 0; i < kLanes; ++i)
    code.store(code.extract(half, i), code.at(first, i * kKeyTile * 2), 2);
}

void emitAppend(const Kernel &kernel, const Linear &linear, const CacheRows &cache,
                const std::optional<Rotation> &rotation, Value row, Value column, Tile tile) {
  Code &code = kernel.code;
  forHalves(kernel, linear, column, tile, [&](Value y, Value at) {
    if (rotation)
      y = rotate(kernel, *rotation, cache.width, row, at, y);
    Value lane = code.rem(at, cache.width);
    auto [base, token] = cacheRow(kernel, cache, row, code.div(at, cache.width));
    if (cache.isHalf)
      return storeHalf(code, cache, base, token, lane, y);
    Value rounded = kernel.isa.toBf16(code, y);
    if (cache.isKeys) {
      Value tileBase = code.at(base, code.mul(code.div(token, kKeyTile), kKeyTile * cache.width * 2));
      Value first = code.at(tileBase, code.add(code.mul(lane, kKeyTile * 2), code.mul(code.rem(token, kKeyTile), 4)));
      Value pairs = code.bitcast(rounded, code.vec(kLanes / 2, code.i32));
      for (int64_t pair = 0; pair < kLanes / 2; ++pair)
        code.store(code.extract(pairs, pair), code.at(first, pair * kKeyTile * 4), 4);
      return;
    }
    Value line = code.at(base, code.mul(code.div(token, 2), cache.width * 4));
    Value first = code.at(line, code.add(code.mul(lane, 4), code.mul(code.rem(token, 2), 2)));
    for (int64_t i = 0; i < kLanes; ++i)
      code.store(code.extract(rounded, i), code.at(first, i * 4), 2);
  });
}

Value emitExp2(Code &code, Value x) {
  // 2^x = 2^n * 2^f with |f| <= 1/2; adding 1.5 * 2^23 leaves n in the low bits. Degree 5: 2e-7 relative.
  constexpr float kCoefficients[] = {9.61812911e-3f, 5.55041087e-2f, 2.40226507e-1f, 6.93147181e-1f, 1.0f};
  auto type = cast<VectorType>(x.getType());
  int64_t lanes = type.getNumElements();
  Value magic = code.splat(lanes, 12582912.0f);
  x = code.maxF(x, code.splat(lanes, -126.0f));
  Value shifted = code.addF(x, magic), fraction = code.subF(x, code.subF(shifted, magic));
  Value power = code.splat(lanes, 1.33335581e-3f);
  for (float coefficient : kCoefficients)
    power = code.fma(power, fraction, code.splat(lanes, coefficient));
  Type words = code.vec(lanes, code.i32);
  Value exponent = code.shl(code.bitcast(shifted, words), 23);
  return code.bitcast(code.addI(code.bitcast(power, words), exponent), type);
}

} // namespace kvasir::cpu
