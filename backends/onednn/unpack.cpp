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
  Value blocks, low, high, stepBytes;

  Type words() const { return code.vec(isa.lanes, code.i32); }

  /// What reads a block.
  PanelBody body() const { return {code, isa, weight, isPaired, blocks, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}; }

  /// A column of weights as f32, rounded if they are to be.
  Value weightOf(const Block &block, int64_t column, int64_t vector, ArrayRef<Value> scales,
                 ArrayRef<Value> mins) const {
    Value q = body().columnOf(block, column, vector);
    if (!weight.isGrouped())
      return q;
    int64_t part = column / weight.group;
    Value y = mins.empty() ? code.mulF(q, scales[part]) : code.fma(q, scales[part], mins[part]);
    return rounds ? roundToBf16(code, isa, y) : y;
  }

  /// Two columns of bf16 in words: the even one low.
  Value pairOf(Value even, Value odd) const {
    Value high = code.andI(code.bitcast(odd, words()), code.splat(isa.lanes, code.i32, int32_t(0xffff0000)));
    return code.orI(code.shr(code.bitcast(even, words()), 16), high);
  }

  void emitBlock(Value group, Value firstStep) const {
    Block block = body().blockAt(group);
    Value offset = code.mul(firstStep, stepBytes);
    for (int64_t vector = 0; vector < kPanelRows / isa.lanes; ++vector) {
      SmallVector<Value> scales, mins;
      for (int64_t part = 0; part < weight.subgroups(); ++part) {
        scales.push_back(body().scaleOf(block, part, vector));
        if (weight.min)
          mins.push_back(body().minOf(block, part, vector));
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

void emitUnpack(Code &code, ModuleOp module, const Isa &isa, const WeightFormat &weight, Activations rounding,
                const UnpackCall &call) {
  bool rounds = rounding == Activations::bf16, isPaired = hasPairedPanels(rounding, isa);
  std::string name = "onednn_unpack_" + weight.name() + (isPaired ? "_pairs_" : rounds ? "_bf16_" : "_f32_") + isa.name;
  SmallVector<Type> types{code.ptr, code.i64, code.ptr, code.ptr, code.i64};
  auto function = sharedFunction(module, name, types, [&](Code &body, ValueRange args) {
    Unpacker unpacker{body, isa, weight, isPaired, rounds, args[0], args[2], args[3], args[4]};
    body.loop(body.num(0), args[1], 1, [&](Value group) {
      unpacker.emitBlock(group, body.mul(group, isPaired ? kBlockColumns / 2 : kBlockColumns));
    });
  });
  code.builder().create<func::CallOp>(function,
                                      ValueRange{call.blocks, call.groups, call.low, call.high, call.stepBytes});
}

} // namespace kvasir::onednn
