// SPDX-License-Identifier: MIT
#include "backends/cpu/panel.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/reference.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;

const WeightFormat kFormats[] = {
    {E::u4, 8, 32, E::f16, {}},
    {E::u4, 0, 32, E::f16, E::f16},
    {E::i8, 0, 32, E::f16, {}},
    {E::u8, 16, 32, E::f16, {}},
    {E::u8, 0, 32, E::f16, E::f16},
    {E::u4, 0, 32, E::f32, E::f32},
    {E::u8, 32, 16, E::f32, {}},
    {E::u8, 0, 16, E::f32, E::f32},
    {E::bf16, 0, 0, E::f16, {}},
    {E::f16, 0, 0, E::f16, {}},
    {E::f32, 0, 0, E::f16, {}},
    {E::u5, 16, 32, E::f16, {}},
    {E::u5, 0, 32, E::f16, E::f16},
    {E::u4, 0, 32, E::i8, E::i8},
    {E::u5, 0, 32, E::i8, E::i8},
    {E::u6, 32, 16, E::f16, {}},
    {E::u6, 32, 16, E::i8, {}},
    {E::u6, 32, 16, E::i8, E::i8},
    {E::u2, 0, 16, E::i8, E::i8},
    {E::u3, 4, 16, E::i8, {}},
    {E::u3, 4, 16, E::i8, E::i8},
    {E::u2, 2, 32, E::f16, {}},
    kMxfp4,
    kIq4Nl,
    kIq4Xs,
};
using LinearFn = void(const uint8_t *, const float *, float *, int64_t rows, uint8_t *scratch);

/// linear(weight, x [rows][K], y [rows][32 panels], rows, scratch), one row or many.
void addLinear(KernelModule &module, const Isa &isa, const WeightFormat &weight, Activations rounding,
               int64_t rowsOfWeight, int64_t columns) {
  for (bool isOneRow : {true, false})
    module.add(isOneRow ? "one" : "many", {'p', 'p', 'p', 'i', 'p'}, [&](Code &code, ValueRange args) {
      ActivationFormat format = activationsFor(weight, rounding);
      Value activations = code.at(args[4], 1 << 20), groups = code.num(columns / 32);
      code.loop(code.num(0), args[3], 1, [&](Value row) {
        Value source = code.at(args[1], code.mul(row, columns * 4));
        emitActivationRow(code, module.module(), isa, format, columns, {source, row, args[3], activations}, {}, 0);
      });
      int64_t panels = (rowsOfWeight + 31) / 32;
      code.loop(code.num(0), code.num(panels), 1, [&](Value panel) {
        Value blocks = code.at(args[0], code.mul(panel, weight.panelBytes(columns)));
        PanelCall call{blocks, groups, activations, code.num(0), args[3], args[3], args[4], code.at(args[4], 1 << 19),
                       blocks};
        (isOneRow ? emitPanelOfOneRow : emitPanelOfRows)(code, module.module(), isa, weight, format, call);
        code.loop(code.num(0), args[3], 1, [&](Value row) {
          Value to = code.at(args[2], code.mul(code.add(code.mul(row, panels), panel), 128));
          Value from = code.at(args[4], code.mul(row, 128));
          for (int64_t i = 0; i < 128; i += 64) {
            Value y = code.load(code.vec(16, code.f32), code.at(from, i));
            if (format.isInt())
              y = code.mulF(y,
                            code.loadSplat(16, code.f32, unitAddress(code, format, activations, groups, args[3], row)));
            code.store(y, code.at(to, i));
          }
        });
      });
    });
}

void check(const Isa &isa, const WeightFormat &weight, Activations rounding) {
  CAPTURE(isa.name);
  CAPTURE(weight.name());
  CAPTURE(int(rounding));
  constexpr int64_t N = 70, M = 11, kPadded = 96;
  const int64_t K = weight.hasUnits() ? 512 : 160;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Matrix matrix(weight, N, K, random);
  std::vector<float> x(M * K), one(kPadded), many(M * kPadded);
  for (float &value : x)
    value = normal(random);
  std::fill_n(x.begin() + K, 32, 0.0f); // a group of zeros
  std::vector<uint8_t> scratch(4 << 20);
  KernelModule module;
  addLinear(module, isa, weight, rounding, N, K);
  module.compile(isa);
  auto *runOne = reinterpret_cast<LinearFn *>(module.lookup("one"));
  auto *runMany = reinterpret_cast<LinearFn *>(module.lookup("many"));
  for (int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 11}) {
    CAPTURE(rows);
    runMany(matrix.bytes(), x.data(), many.data(), rows, scratch.data());
    for (int64_t m = 0; m < rows; ++m) {
      runOne(matrix.bytes(), x.data() + m * K, one.data(), 1, scratch.data());
      std::vector<float> expected = linearOfRow(matrix, x.data() + m * K, rounding);
      CHECK(std::memcmp(one.data(), expected.data(), 4 * N) == 0);
      CHECK(std::memcmp(many.data() + m * kPadded, expected.data(), 4 * N) == 0);
      std::vector<double> exact = exactLinearOfRow(matrix, x.data() + m * K);
      double error = 0, size = 0;
      for (int64_t n = 0; n < N; ++n)
        error += std::pow(exact[n] - one[n], 2), size += exact[n] * exact[n];
      CHECK(std::sqrt(error / size) < (rounding == Activations::int8 ? 0.02 : 0.004));
    }
  }
}
} // namespace

TEST_CASE("panels compute the reference's bits for every format, one row or many") {
  for (Activations rounding : {Activations::int8, Activations::bf16, Activations::exact})
    for (const Isa &isa : testedIsas({.dots = rounding == Activations::int8, .bf16 = rounding == Activations::bf16}))
      for (const WeightFormat &weight : kFormats)
        if (weight.isGrouped() || rounding == Activations::exact ||
            (weight.codes == E::bf16 && rounding == Activations::bf16))
          check(isa, weight, rounding);
}
