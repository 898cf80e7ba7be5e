// SPDX-License-Identifier: MIT
#include "backends/cpu/cache_layout.h"
#include "backends/cpu/epilogues.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/reference.h"
#include "backends/cpu/tests/team.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numbers>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;
using KernelFn = void(const kv_call *, int64_t member, int64_t members, uint8_t *scratch, const void *const *pointers,
                      int64_t rows);

constexpr int64_t K = 96, kRows = 540, kBlocks = 4;

/// Heads side by side, and how they are normed and their lanes turned.
struct Heads {
  int64_t count, width, turned;
  bool isOfHalves = false, hasNorm = false;

  int64_t columns() const { return count * width; }
  /// The lane that `lane` is turned with, and the place of their angle.
  int64_t partner(int64_t lane) const {
    return !isOfHalves ? lane ^ 1 : lane < turned / 2 ? lane + turned / 2 : lane - turned / 2;
  }
  int64_t angleOf(int64_t lane) const { return isOfHalves ? std::min(lane, partner(lane)) : lane / 2; }
};

/// What the kernel under test is given, by place in `pointers`.
enum Pointer { kSource, kNorm, kFirst, kSecond, kBias, kAngles, kHeadNorm, kResult, kNumPointers };

/// Everything that one kernel with each epilogue works on.
struct Fixture {
  Heads heads;
  int64_t N = heads.columns();
  std::mt19937 random{5};
  WeightFormat format{E::u4, 0, 32, E::f16, E::f16};
  Matrix first{format, N, K, random}, second{format, N, K, random};
  std::vector<float> source, norm, bias, angles, headNorm;
  std::vector<uint64_t> starts{5, 120}, counts, firsts;
  std::vector<uint32_t> sequenceOf;
  std::vector<int64_t> positions;
  Layout layout;

  Fixture(const Heads &heads, bool isKeys, E element)
      : heads(heads), layout(cacheLayout(1, heads.count, heads.width, isKeys, element)) {
    std::normal_distribution<float> normal;
    auto fill = [&](std::vector<float> &values, size_t size) {
      values.resize(size);
      for (float &value : values)
        value = normal(random);
    };
    fill(source, kRows * std::max(N, K)), fill(norm, K), fill(bias, N), fill(angles, kRows * heads.turned);
    fill(headNorm, heads.width);
  }

  void setRows(int64_t rows) {
    counts = {uint64_t(rows - rows / 2), uint64_t(rows / 2)};
    firsts = {0, counts[0]};
    sequenceOf.clear(), positions.clear();
    for (uint32_t b = 0; b < 2; ++b)
      for (uint64_t t = 0; t < counts[b]; ++t)
        sequenceOf.push_back(b), positions.push_back(int64_t(starts[b] + t));
  }
};

struct Outcome {
  std::vector<float> result;
  std::vector<uint8_t> cache;
  bool operator==(const Outcome &) const = default;
};

Outcome run(KernelFn *kernel, Fixture &f, int64_t rows, uint32_t members, int64_t eager = -1) {
  f.setRows(rows);
  Outcome outcome;
  outcome.result.assign(f.source.begin(), f.source.begin() + rows * f.N); // an addend, where one is asked for
  outcome.cache.resize(f.layout.sizeBytes * 2 * kBlocks);
  uint8_t *blocks[2 * kBlocks];
  for (int i = 0; i < 2 * kBlocks; ++i)
    blocks[i] = outcome.cache.data() + f.layout.sizeBytes * i;
  kv_view views[2] = {{blocks, kBlocks, nullptr, nullptr}, {blocks + kBlocks, kBlocks, nullptr, nullptr}};
  const void *pointers[kNumPointers] = {f.source.data(), f.norm.data(),   f.first.bytes(),   f.second.bytes(),
                                        f.bias.data(),   f.angles.data(), f.headNorm.data(), outcome.result.data()};
  runTeam(
      members,
      [&](const kv_team *team, uint32_t member) {
        kv_call call{};
        call.size = sizeof call, call.num_sequences = 2, call.num_tokens = uint64_t(rows);
        call.starts = f.starts.data(), call.counts = f.counts.data(), call.firsts = f.firsts.data();
        call.token_sequence = f.sequenceOf.data(), call.positions = f.positions.data();
        call.views = views, call.team = team;
        kernel(&call, member, members, scratchMemory(), pointers, rows);
      },
      eager);
  return outcome;
}

enum class Kind { store, sum, scaledSum, capped, silu, gelu, clamped, rotated, keys, values };

constexpr float kFactor = 0.3f, kCap = 1.5f, kSlope = 1.702f;

bool isGated(Kind kind) { return kind == Kind::silu || kind == Kind::gelu || kind == Kind::clamped; }

void addKernel(KernelModule &module, const Isa &isa, const Fixture &f, Kind kind) {
  module.add("kernel", {'p', 'i', 'i', 'p', 'p', 'i'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, args[0], args[1], args[2], args[3], {}};
    auto pointer = [&](Pointer index) { return code.load(code.ptr, code.at(args[4], 8 * index), 8); };
    LinearInput input{pointer(kSource), args[5], K, pointer(kNorm), 1e-5};
    Linear first{f.format, f.N, pointer(kFirst), pointer(kBias)}, second{f.format, f.N, pointer(kSecond), {}};
    Destination to{pointer(kResult), f.N};
    const Heads &heads = f.heads;
    HeadSteps steps{heads.width, {}, Rotation{pointer(kAngles), heads.turned, heads.isOfHalves}};
    if (heads.hasNorm)
      steps.norm = HeadNorm{pointer(kHeadNorm), 1e-6};
    CacheRows cache{0, code.num(0), heads.count, heads.width, kind == Kind::keys, f.layout.planes[0].element == E::f16};
    PanelSet set{{first}, {}, heads.isOfHalves || heads.hasNorm ? panelsOfHeads(heads.width) : 1};
    if (isGated(kind))
      set.linears.push_back(second);
    set.epilogue = [&, kind](const PartRow &row, Value column, llvm::ArrayRef<Tile> tiles) {
      switch (kind) {
      case Kind::store:
        return emitStore(kernel, first, to, row.number, column, tiles[0]);
      case Kind::sum:
        return emitStoreSum(kernel, first, to, to.base, row.number, column, tiles[0]);
      case Kind::scaledSum:
        return emitStoreSum(kernel, first, to, to.base, row.number, column, tiles[0],
                            [&](Value y) { return code.mulF(y, code.splat(lanesOf(y), kFactor)); });
      case Kind::capped:
        return emitStoreSum(kernel, first, to, {}, row.number, column, tiles[0],
                            [&](Value y) { return emitSoftcap(code, y, kCap); });
      case Kind::silu:
      case Kind::gelu:
        return emitStoreGated(kernel, kind == Kind::silu ? Gate::silu : Gate::gelu, to, row.number, column, tiles[0],
                              tiles[1]);
      case Kind::clamped:
        return emitStoreGated(kernel, {Gate::clampedSilu, kCap, kSlope}, to, row.number, column, tiles[0], tiles[1]);
      case Kind::rotated:
        return emitStoreHeads(kernel, first, to, steps, row.number, column, tiles);
      case Kind::keys:
      case Kind::values:
        return emitAppend(kernel, first, cache, steps, row, column, tiles);
      }
    };
    emitLinears(kernel, activationsFor(f.format, Activations::int8), input, set);
  });
}

/// The linear's row with its bias, and its heads normed where they are.
std::vector<double> headsOf(const Fixture &f, const std::vector<float> &y) {
  std::vector<double> biased(f.N);
  for (int64_t n = 0; n < f.N; ++n)
    biased[n] = y[n] + f.bias[n];
  for (int64_t first = 0; f.heads.hasNorm && first < f.N; first += f.heads.width) {
    double squares = 0;
    for (int64_t lane = 0; lane < f.heads.width; ++lane)
      squares += biased[first + lane] * biased[first + lane];
    for (int64_t lane = 0; lane < f.heads.width; ++lane)
      biased[first + lane] *= f.headNorm[lane] / std::sqrt(squares / double(f.heads.width) + 1e-6);
  }
  return biased;
}

double clamped(double gate, double up) {
  gate = std::min<double>(gate, kCap);
  return gate / (1 + std::exp(-kSlope * gate)) * (std::clamp<double>(up, -kCap, kCap) + 1);
}

double gelu(double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))); }

/// The numbers that the epilogue makes of row `row`, in double precision where order does not matter.
std::vector<double> expectedRow(const Fixture &f, Kind kind, int64_t row) {
  double squares = 0;
  for (int64_t k = 0; k < K; ++k)
    squares += double(f.source[row * K + k]) * f.source[row * K + k];
  float x[K];
  for (int64_t k = 0; k < K; ++k)
    x[k] = float(f.source[row * K + k] / std::sqrt(squares / K + 1e-5) * f.norm[k]);
  std::vector<float> y = linearOfRow(f.first, x, Activations::int8), up = linearOfRow(f.second, x, Activations::int8);
  std::vector<double> result(f.N), heads = headsOf(f, y);
  for (int64_t n = 0; n < f.N; ++n) {
    double biased = y[n] + f.bias[n], turned = heads[n];
    if (int64_t lane = n % f.heads.width; lane < f.heads.turned) {
      int64_t partner = f.heads.partner(lane), other = n - lane + partner;
      const float *angle = &f.angles[row * f.heads.turned + 2 * f.heads.angleOf(lane)];
      turned = heads[n] * angle[0] + (lane < partner ? -1 : 1) * heads[other] * angle[1];
    }
    result[n] = kind == Kind::store       ? biased
                : kind == Kind::sum       ? f.source[row * f.N + n] + biased
                : kind == Kind::scaledSum ? f.source[row * f.N + n] + kFactor * biased
                : kind == Kind::capped    ? kCap * std::tanh(biased / kCap)
                : kind == Kind::silu      ? y[n] / (1 + std::exp(-double(y[n]))) * up[n]
                : kind == Kind::gelu      ? gelu(y[n]) * up[n]
                : kind == Kind::clamped   ? clamped(y[n], up[n])
                                          : turned;
  }
  return result;
}

double valueAt(const Fixture &f, Kind kind, const Outcome &outcome, int64_t row, int64_t n) {
  if (kind != Kind::keys && kind != Kind::values)
    return outcome.result[row * f.N + n];
  uint64_t position = uint64_t(f.positions[row]);
  uint64_t width = f.heads.width, indices[6] = {0, 0, 0, n / width, position % 128, n % width};
  uint64_t block = f.sequenceOf[row] * kBlocks + position / 128;
  uint16_t bits;
  std::memcpy(&bits, &outcome.cache[block * f.layout.sizeBytes + bitOffset(f.layout.planes[0], indices) / 8], 2);
  return f.layout.planes[0].element == E::f16 ? halfToFloat(bits) : bf16ToFloat(bits);
}

/// Gives what the kernel made of each number of rows.
std::vector<Outcome> check(const Isa &isa, Kind kind, E element = E::bf16, const Heads &heads = {2, 32, 32}) {
  CAPTURE(isa.name);
  CAPTURE(int(kind));
  CAPTURE(heads.width);
  CAPTURE(heads.turned);
  Fixture fixture(heads, kind == Kind::keys, element);
  KernelModule module;
  addKernel(module, isa, fixture, kind);
  module.compile(isa);
  auto *kernel = reinterpret_cast<KernelFn *>(module.lookup("kernel"));
  std::vector<Outcome> outcomes;
  for (int64_t rows : {1, 3, 6, 20, 150, 540}) {
    CAPTURE(rows);
    Outcome outcome = run(kernel, fixture, rows, 1);
    for (int64_t members : {2, 3, 6})
      for (int64_t eager : {int64_t(-1), rows < 16 ? -1 : members - 1}) {
        Outcome byMore = run(kernel, fixture, rows, members, eager);
        CHECK(outcome == byMore);
      }
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<double> expected = expectedRow(fixture, kind, row);
      double error = 0, size = 0;
      for (int64_t n = 0; n < fixture.N; ++n) {
        error += std::pow(valueAt(fixture, kind, outcome, row, n) - expected[n], 2);
        size += expected[n] * expected[n];
      }
      CHECK(std::sqrt(error / size) < 0.01); // a norm that differs in its last bit may round a column the other way
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

/// Variants whose kernels of that kind differ.
std::vector<Isa> isasOf(Kind kind, E element = E::bf16) {
  const bool isRounded = (kind == Kind::keys || kind == Kind::values) && element == E::bf16;
  return testedIsas({.dots = true, .bf16 = isRounded});
}

/// All shapes in variants of 8 lanes, the first two in each.
void checkHeads(llvm::ArrayRef<Heads> shapes) {
  for (Kind kind : {Kind::rotated, Kind::keys})
    for (const Isa &isa : isasOf(kind))
      for (const Heads &heads : isa.lanes == 8 ? shapes : shapes.take_front(2))
        check(isa, kind, E::bf16, heads);
  for (const Heads &heads : shapes.take_front(2))
    check(testedIsas().front(), Kind::keys, E::f16, heads);
}
} // namespace

TEST_CASE("linears with a norm and each epilogue, for one row, few and many, on any team, in every variant") {
  for (Kind kind : {Kind::store, Kind::sum, Kind::scaledSum, Kind::capped, Kind::silu, Kind::gelu, Kind::clamped,
                    Kind::rotated, Kind::keys, Kind::values}) {
    const std::vector<Isa> isas = isasOf(kind);
    const std::vector<Outcome> first = check(isas.front(), kind);
    for (const Isa &isa : llvm::ArrayRef(isas).drop_front())
      CHECK(check(isa, kind) == first);
  }
  for (Kind kind : {Kind::keys, Kind::values})
    for (const Isa &isa : isasOf(kind, E::f16))
      check(isa, kind, E::f16);
}

TEST_CASE("heads whose lanes are turned in halves, within a panel, over several, and beside lanes that stay") {
  constexpr Heads kShapes[] = {{1, 64, 64, true}, {2, 80, 80, true}, {4, 16, 16, true},  {1, 64, 16, true},
                               {4, 48, 48, true}, {2, 80, 32, true}, {1, 128, 128, true}};
  checkHeads(kShapes);
}

TEST_CASE("heads with a norm, of any width, in panels that hold them whole") {
  constexpr Heads kShapes[] = {{1, 128, 128, true, true},
                               {2, 80, 32, false, true},
                               {2, 64, 64, true, true},
                               {1, 96, 96, false, true},
                               {1, 256, 256, true, true}};
  checkHeads(kShapes);
}
