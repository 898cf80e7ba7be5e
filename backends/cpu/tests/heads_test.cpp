// SPDX-License-Identifier: MIT
// Heads that are normed and turned, bit by bit.
#include "backends/cpu/epilogues.h"
#include "backends/cpu/tests/jit.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {

/// Heads of `width` lanes, of which the first `turned` are; 0: none.
struct Shape {
  int64_t width, turned;
  bool isOfHalves, hasBias, hasUnit;

  int64_t together() const { return panelsOfHeads(width); }
  int64_t columns() const { return kUnits * together() * kPanelRows; }

  static constexpr int64_t kUnits = 2;
};

constexpr float kEpsilon = 1e-6f;
/// The row that is computed: its angles and results lie behind those of another one.
constexpr int64_t kRow = 1;

struct Numbers {
  std::vector<float> tiles, bias, weight, angles;
  float unit = 0.37f;

  explicit Numbers(const Shape &shape) {
    std::mt19937 random{7};
    std::normal_distribution<float> normal;
    for (auto [values, size] : {std::pair{&tiles, shape.columns()},
                                {&bias, shape.columns()},
                                {&weight, shape.width},
                                {&angles, (kRow + 1) * shape.turned}})
      for (int64_t i = 0; i < size; ++i)
        values->push_back(normal(random));
  }
};

/// 1 / sqrt(mean of squares + epsilon): two chains of 16 lanes in turn, then a tree.
float factorOf(const float *head, int64_t width) {
  float sums[2][16] = {};
  for (int64_t lane = 0; lane < width; ++lane) {
    float &sum = sums[lane / 16 % 2][lane % 16];
    sum = std::fma(head[lane], head[lane], sum);
  }
  for (int64_t i = 0; i < 16; ++i)
    sums[0][i] += sums[1][i];
  for (int64_t half = 8; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i)
      sums[0][i] += sums[0][i + half];
  return 1 / std::sqrt(sums[0][0] / float(width) + kEpsilon);
}

/// A head after its norm, turned by a row's angles.
std::vector<float> turned(const Shape &shape, const std::vector<float> &head, const float *angles) {
  std::vector<float> result = head;
  for (int64_t i = 0; i < shape.turned / 2; ++i) {
    int64_t p = shape.isOfHalves ? i : 2 * i, q = shape.isOfHalves ? i + shape.turned / 2 : 2 * i + 1;
    float cosine = angles[2 * i], sine = angles[2 * i + 1];
    result[p] = std::fma(head[p], cosine, head[q] * -sine);
    result[q] = std::fma(head[q], cosine, head[p] * sine);
  }
  return result;
}

std::vector<float> expectedRow(const Shape &shape, const Numbers &numbers) {
  std::vector<float> row;
  for (int64_t first = 0; first < shape.columns(); first += shape.width) {
    std::vector<float> head;
    for (int64_t lane = 0; lane < shape.width; ++lane) {
      float y = numbers.tiles[first + lane] * (shape.hasUnit ? numbers.unit : 1);
      head.push_back(shape.hasBias ? y + numbers.bias[first + lane] : y);
    }
    float factor = factorOf(head.data(), shape.width);
    for (int64_t lane = 0; lane < shape.width; ++lane)
      head[lane] = head[lane] * factor * numbers.weight[lane];
    head = turned(shape, head, numbers.angles.data() + kRow * shape.turned);
    row.insert(row.end(), head.begin(), head.end());
  }
  return row;
}

std::vector<float> rowOf(const Isa &isa, const Shape &shape, Numbers numbers) {
  KernelModule module;
  module.add("heads", {'p', 'p', 'p', 'p', 'p', 'p'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, {}, {}, {}, {}, {}};
    Linear linear{{}, shape.columns(), {}, shape.hasBias ? args[1] : Value()};
    HeadSteps heads{shape.width, HeadNorm{args[2], kEpsilon}};
    if (shape.turned)
      heads.rotation = Rotation{args[3], shape.turned, shape.isOfHalves};
    code.loop(code.num(0), code.num(Shape::kUnits), 1, [&](Value unit) {
      Value column = code.mul(unit, shape.together() * kPanelRows);
      SmallVector<Tile> tiles;
      for (int64_t tile = 0; tile < shape.together(); ++tile)
        tiles.push_back({code.at(args[0], code.mul(code.add(column, tile * kPanelRows), 4)),
                         shape.hasUnit ? code.load(code.f32, args[4]) : Value()});
      emitStoreHeads(kernel, linear, {args[5], shape.columns()}, heads, code.num(kRow), column, tiles);
    });
  });
  module.compile(isa);
  std::vector<float> result((kRow + 1) * shape.columns());
  auto *kernel =
      reinterpret_cast<void (*)(float *, const float *, const float *, const float *, const float *, float *)>(
          module.lookup("heads"));
  kernel(numbers.tiles.data(), numbers.bias.data(), numbers.weight.data(), numbers.angles.data(), &numbers.unit,
         result.data());
  return {result.end() - shape.columns(), result.end()};
}

} // namespace

TEST_CASE("heads are normed and turned by one sequence of roundings, the same on each machine") {
  constexpr Shape kShapes[] = {
      {16, 0, false, true, true},    {16, 16, false, true, true},  {48, 32, true, true, true},
      {64, 64, true, false, true},   {64, 32, false, true, false}, {80, 80, true, true, true},
      {80, 32, false, false, false}, {96, 96, true, true, false},  {128, 128, true, false, true},
      {128, 128, false, true, true}, {128, 64, true, true, false}, {256, 256, true, false, false},
      {256, 64, false, true, true}};
  for (const Isa &isa : testedIsas({}))
    for (const Shape &shape : kShapes) {
      CAPTURE(isa.name);
      CAPTURE(shape.width);
      CAPTURE(shape.turned);
      CAPTURE(shape.isOfHalves);
      Numbers numbers(shape);
      CHECK(rowOf(isa, shape, numbers) == expectedRow(shape, numbers));
    }
}
