// SPDX-License-Identifier: MIT
#include "backends/onednn/panels.h"

#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::onednn {
namespace {

using namespace kvasir::cpu;

/// One block of 32 rows x 32 columns of packed weights, a register of rows at a time.
struct Unpacker {
  Code &code;
  const Isa &isa;
  const WeightFormat &weight;
  bool isPaired, rounds;
  Value low, high, stepBytes;

  Type words() const { return code.vec(isa.lanes, code.i32); }

  /// Scales (or mins) of a register of rows.
  Value factors(Value block, ElementType element, int64_t atBytes, int64_t vector) const {
    PanelBody body{code, isa, weight, isPaired, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
    return body.factors(block, element, atBytes, vector);
  }

  bool isU4() const { return weight.codes == ElementType::u4; }

  /// The code of a column, less its zero, as f32.
  Value codeOf(Value block, int64_t column, int64_t vector) const {
    int64_t quad = column / 4, line = isU4() ? quad % 4 : quad, bits = 8 * (column % 4) + (isU4() && quad >= 4 ? 4 : 0);
    Value word = code.load(words(), code.at(block, weight.codesAt() + (line * kPanelRows + vector * isa.lanes) * 4));
    if (weight.codes == ElementType::i8)
      word = code.sar(code.shl(word, 24 - bits), 24);
    else
      word = code.andI(bits ? code.shr(word, bits) : word, code.splat(isa.lanes, code.i32, isU4() ? 15 : 255));
    if (weight.zero)
      word = code.subI(word, code.splat(isa.lanes, code.i32, weight.zero));
    return code.toFloat(word);
  }

  Value plain(Value block, int64_t column, int64_t vector) const {
    if (weight.codes != ElementType::bf16)
      return factors(block, weight.codes, column * kPanelRows * elementBits(weight.codes) / 8, vector);
    Value pairs = pairsOf(block, column / 2, vector);
    return column % 2 ? highBf16(code, pairs) : lowBf16(code, pairs);
  }

  Value pairsOf(Value block, int64_t pair, int64_t vector) const {
    return code.load(words(), code.at(block, (pair * kPanelRows + vector * isa.lanes) * 4));
  }

  /// A column of weights as f32, rounded if they are to be.
  Value weightOf(Value block, int64_t column, int64_t vector, ArrayRef<Value> scales, ArrayRef<Value> mins) const {
    if (!weight.isGrouped())
      return plain(block, column, vector);
    int64_t part = column / weight.group;
    Value q = codeOf(block, column, vector);
    Value y = mins.empty() ? code.mulF(q, scales[part]) : code.fma(q, scales[part], mins[part]);
    return rounds ? roundToBf16(code, isa, y) : y;
  }

  /// Two columns of bf16 in words: the even one low.
  Value pairOf(Value even, Value odd) const {
    Value high = code.andI(code.bitcast(odd, words()), code.splat(isa.lanes, code.i32, int32_t(0xffff0000)));
    return code.orI(code.shr(code.bitcast(even, words()), 16), high);
  }

  void emitBlock(Value block, Value firstStep) const {
    Value offset = code.mul(firstStep, stepBytes);
    for (int64_t vector = 0; vector < kPanelRows / isa.lanes; ++vector) {
      SmallVector<Value> scales, mins;
      for (int64_t part = 0; part < weight.subgroups(); ++part) {
        scales.push_back(factors(block, weight.scale, weight.scaleAt(part), vector));
        if (weight.min)
          mins.push_back(factors(block, *weight.min, weight.minAt(part), vector));
      }
      int64_t lane = vector * isa.lanes;
      Value to = code.at(code.at(lane < 16 ? low : high, offset), lane % 16 * 4);
      for (int64_t column = 0; column < kBlockColumns; column += isPaired ? 2 : 1) {
        auto at = [&](int64_t c) { return weightOf(block, c, vector, scales, mins); };
        code.store(isPaired ? pairOf(at(column), at(column + 1)) : at(column), to);
        to = code.at(to, stepBytes);
      }
    }
  }
};

} // namespace

void emitUnpack(Code &code, ModuleOp module, const Isa &isa, const WeightFormat &weight, Rounding rounding,
                const UnpackCall &call) {
  bool rounds = rounding == Rounding::bf16, isPaired = rounds && isa.hasBf16;
  std::string name = "onednn_unpack_" + weight.name() + (isPaired ? "_pairs_" : rounds ? "_bf16_" : "_f32_") + isa.name;
  SmallVector<Type> types{code.ptr, code.i64, code.ptr, code.ptr, code.i64};
  auto function = sharedFunction(module, name, types, [&](Code &body, ValueRange args) {
    Unpacker unpacker{body, isa, weight, isPaired, rounds, args[2], args[3], args[4]};
    body.loop(body.num(0), args[1], 1, [&](Value group) {
      unpacker.emitBlock(body.at(args[0], body.mul(group, weight.blockBytes())),
                         body.mul(group, isPaired ? kBlockColumns / 2 : kBlockColumns));
    });
  });
  code.builder().create<func::CallOp>(function,
                                      ValueRange{call.blocks, call.groups, call.low, call.high, call.stepBytes});
}

} // namespace kvasir::onednn
