// SPDX-License-Identifier: MIT
#include "backends/cpu/isa.h"

#include <numeric>

using namespace mlir;

namespace kvasir::cpu {

/// vpdpbusd said in generic IR.
static Value emulatedDot(Code &code, Value sum, Value codes, Value activations) {
  for (int64_t byte = 0; byte < 4; ++byte) {
    Value u = code.andI(code.shr(codes, 8 * byte), code.splat(lanesOf(codes), code.i32, 255));
    Value s = code.sar(code.shl(activations, 24 - 8 * byte), 24);
    sum = code.addI(sum, code.builder().create<arith::MulIOp>(u, s));
  }
  return sum;
}

Value Isa::dot(Code &code, Value sum, Value codes, Value activations) const {
  if (!hasVnni) {
    Type bytes = code.vec(4 * lanes, code.i8);
    Value products = code.intrinsic("llvm.x86.avx2.pmadd.ub.sw", code.vec(2 * lanes, code.i16),
                                    {code.bitcast(codes, bytes), code.bitcast(activations, bytes)});
    return sum ? code.addI(sum, products) : products;
  }
  Type words = code.vec(lanes, code.i32);
  if (!sum)
    sum = code.zero(words);
  if (isEmulated)
    return emulatedDot(code, sum, codes, activations);
  return code.intrinsic(lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", words,
                        {sum, codes, activations});
}

Value Isa::dotTotal(Code &code, Value sum, Value multipliers) const {
  if (hasVnni)
    return sum;
  Type pairs = code.vec(2 * lanes, code.i16);
  Value factors = multipliers ? code.bitcast(multipliers, pairs) : code.splat(2 * lanes, code.i16, 1);
  return code.intrinsic("llvm.x86.avx2.pmadd.wd", code.vec(lanes, code.i32), {sum, factors});
}

Value Isa::dotWords(Code &code, Value sum, Value codes, Value activations) const {
  Type words = code.vec(2 * lanes, code.i16);
  Value products = code.intrinsic("llvm.x86.avx2.pmadd.wd", code.vec(lanes, code.i32),
                                  {code.bitcast(codes, words), code.bitcast(activations, words)});
  return sum ? code.addI(sum, products) : products;
}

/// vpshufb of one register.
static Value shuffleBytes(Code &code, Value table, Value bytes, bool isWide) {
  return code.intrinsic(isWide ? "llvm.x86.avx512.pshuf.b.512" : "llvm.x86.avx2.pshuf.b", table.getType(),
                        {table, bytes});
}

Value Isa::lookUp(Code &code, const std::array<uint8_t, 16> &table, Value bytes) const {
  const int64_t length = 4 * lanes, half = length / 2;
  auto tableOf = [&](int64_t size) -> Value {
    SmallVector<int8_t> entries;
    for (int64_t i = 0; i < size; ++i)
      entries.push_back(int8_t(table[i % 16]));
    auto type = cast<VectorType>(code.vec(size, code.i8));
    return code.builder().create<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<int8_t>(entries)));
  };
  Value indexes = code.bitcast(bytes, code.vec(length, code.i8));
  if (!isEmulated || lanes == 8)
    return code.bitcast(shuffleBytes(code, tableOf(length), indexes, lanes == 16), bytes.getType());
  SmallVector<int64_t> all(length);
  std::iota(all.begin(), all.end(), 0);
  auto found = [&](int64_t first) {
    Value part = code.shuffle(indexes, indexes, ArrayRef(all).slice(first, half));
    return shuffleBytes(code, tableOf(half), part, /*isWide=*/false);
  };
  return code.bitcast(code.shuffle(found(0), found(half), all), bytes.getType());
}

Value Isa::dotPairs(Code &code, Value sum, Value a, Value b) const {
  if (multipliesPairs() && !isEmulated) {
    Type pairs = code.vec(2 * lanes, code.bf16);
    return code.intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", sum.getType(),
                          {sum, code.bitcast(a, pairs), code.bitcast(b, pairs)});
  }
  sum = code.fma(highBf16(code, a), highBf16(code, b), sum);
  return code.fma(lowBf16(code, a), lowBf16(code, b), sum);
}

Value Isa::toBf16(Code &code, Value floats) const {
  int64_t n = lanesOf(floats);
  if (hasBf16 && !isEmulated && n == 16) {
    Value rounded = code.intrinsic("llvm.x86.avx512bf16.cvtneps2bf16.512", code.vec(n, code.bf16), {floats});
    return code.bitcast(rounded, code.vec(n, code.i16));
  }
  // Adds half of the last place that stays, and one more where that place is odd.
  Value bits = code.bitcast(floats, code.vec(n, code.i32));
  Value odd = code.andI(code.shr(bits, 16), code.splat(n, code.i32, 1));
  bits = code.addI(bits, code.addI(odd, code.splat(n, code.i32, 0x7fff)));
  return code.truncI(code.shr(bits, 16), code.i16);
}

Value Isa::toBf16Pairs(Code &code, Value first, Value second) const {
  int64_t n = lanesOf(first);
  Type pairs = code.vec(n, code.i32);
  if (hasBf16 && !isEmulated && n == 16)
    return code.bitcast(
        code.intrinsic("llvm.x86.avx512bf16.cvtne2ps2bf16.512", code.vec(2 * n, code.bf16), {second, first}), pairs);
  SmallVector<int64_t> all(2 * n);
  std::iota(all.begin(), all.end(), 0);
  return code.bitcast(code.shuffle(toBf16(code, first), toBf16(code, second), all), pairs);
}

Value roundToBf16(Code &code, const Isa &isa, Value floats) {
  int64_t n = lanesOf(floats);
  Value bits = code.builder().create<arith::ExtUIOp>(code.vec(n, code.i32), isa.toBf16(code, floats));
  return code.bitcast(code.shl(bits, 16), code.vec(n, code.f32));
}

Value lowBf16(Code &code, Value pairs) { return code.bitcast(code.shl(pairs, 16), code.vec(lanesOf(pairs), code.f32)); }

Value highBf16(Code &code, Value pairs) {
  Value high = code.andI(pairs, code.splat(lanesOf(pairs), code.i32, int64_t(int32_t(0xffff0000))));
  return code.bitcast(high, code.vec(lanesOf(pairs), code.f32));
}

} // namespace kvasir::cpu
