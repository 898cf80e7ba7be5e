// SPDX-License-Identifier: MIT
// Panels as generated code unpacks them, and linears of many rows by the service, by a stand-in for it, and without.
#include "backends/cpu/epilogues.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/reference.h"
#include "backends/cpu/tests/team.h"
#include "backends/onednn/panels.h"
#include "backends/onednn/runtime/gemm.h"
#include "plugins/services.h"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;

const WeightFormat kFormats[] = {
    {E::u4, 8, 32, E::f16, {}},     {E::u4, 0, 32, E::f16, E::f16},
    {E::u8, 0, 32, E::f16, E::f16}, {E::i8, 0, 32, E::f16, {}},
    {E::i8, 0, 16, E::f32, {}},     {E::u4, 0, 32, E::f32, E::f32},
    {E::u8, 16, 32, E::f16, {}},    {E::bf16, 0, 0, E::f16, {}},
    {E::f16, 0, 0, E::f16, {}},     {E::f32, 0, 0, E::f16, {}},
    {E::u5, 0, 32, E::i8, E::i8},   {E::u6, 32, 16, E::i8, {}},
    {E::u3, 4, 16, E::i8, {}},      kMxfp4,
};

float roundedTo(float value, bool rounds) { return rounds ? bf16ToFloat(floatToBf16(value)) : value; }

/// The weight that a product sees.
float weightAt(const Matrix &matrix, int64_t row, int64_t column, bool rounds) {
  const WeightFormat &format = matrix.format;
  int64_t at = row * matrix.columns + column;
  if (!format.isGrouped())
    return matrix.values[at];
  int64_t group = row * (matrix.columns / format.group) + column / format.group;
  float q = float(matrix.codes[at] - format.zero);
  float y = format.min ? std::fma(q, matrix.scales[group], matrix.mins[group]) : q * matrix.scales[group];
  return roundedTo(y, rounds);
}

/// Columns enough for a superblock, where there are some.
int64_t depthOf(const WeightFormat &format) { return format.hasUnits() ? kSuperblockColumns : 96; }

using UnpackFn = void(const uint8_t *blocks, int64_t groups, uint8_t *low, uint8_t *high, int64_t stepBytes);

/// Every element of an unpacked panel, in a layout whose blocks are 16 columns wide.
void checkUnpacked(const Isa &isa, const WeightFormat &format, Activations rounding) {
  CAPTURE(isa.name);
  CAPTURE(format.name());
  const int64_t depth = depthOf(format);
  KernelModule module;
  module.add("unpack", {'p', 'i', 'p', 'p', 'i'}, [&](Code &code, ValueRange args) {
    onednn::emitUnpack(code, module.module(), isa, format, rounding, {args[0], args[1], args[2], args[3], args[4]});
  });
  module.compile(isa);
  std::mt19937 random(7);
  Matrix matrix(format, 32, depth, random);
  bool rounds = rounding == Activations::bf16, isPaired = onednn::hasPairedPanels(rounding, isa);
  int64_t perStep = isPaired ? 2 : 1, bytes = isPaired ? 2 : 4, stepBytes = 80;
  std::vector<uint8_t> panel(2 * depth * stepBytes);
  uint8_t *halves[2] = {panel.data(), panel.data() + depth * stepBytes};
  reinterpret_cast<UnpackFn *>(module.lookup("unpack"))(matrix.bytes(), depth / 32, halves[0], halves[1], stepBytes);
  int64_t wrong = 0;
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t n = 0; n < 32; ++n) {
      const uint8_t *at = halves[n / 16] + k / perStep * stepBytes + (n % 16 * perStep + k % perStep) * bytes;
      uint16_t half;
      float value;
      std::memcpy(&half, at, 2);
      std::memcpy(&value, at, 4);
      wrong += (isPaired ? bf16ToFloat(half) : value) != weightAt(matrix, n, k, rounds);
    }
  CHECK(wrong == 0);
}

// A stand-in for the service: plain sums, of the layout that brgemm has.

constexpr int64_t kColumnsOfBlock = 16, kStepBytes = 64;
std::atomic<int64_t> numMultiplied;

struct Standin {
  onednn_gemm_table table = {sizeof(onednn_gemm_table), 0, can, panel, multiply};

  static int32_t can(uint32_t, int64_t, int64_t, int64_t) { return 1; }

  static const onednn_gemm_panel *panel(uint32_t element, int64_t depth, int64_t) {
    thread_local onednn_gemm_panel layout;
    layout = {kColumnsOfBlock, depth / (element == ONEDNN_GEMM_BF16 ? 2 : 1) * kStepBytes, kStepBytes};
    return &layout;
  }

  static void multiply(uint32_t element, int64_t depth, int64_t columns, int64_t rows, const void *activations,
                       void *weights, float *result) {
    bool isPaired = element == ONEDNN_GEMM_BF16;
    int64_t bytes = isPaired ? 2 : 4, perStep = isPaired ? 2 : 1, blockBytes = depth / perStep * kStepBytes;
    auto number = [&](const void *base, int64_t at) {
      uint16_t half;
      float value;
      std::memcpy(&half, static_cast<const uint8_t *>(base) + at, 2);
      std::memcpy(&value, static_cast<const uint8_t *>(base) + at, isPaired ? 2 : 4);
      return isPaired ? bf16ToFloat(half) : value;
    };
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < columns; ++n) {
        float sum = 0;
        for (int64_t k = 0; k < depth; ++k)
          sum += number(activations, (m * depth + k) * bytes) *
                 number(weights,
                        n / 16 * blockBytes + k / perStep * kStepBytes + (n % 16 * perStep + k % perStep) * bytes);
        result[m * columns + n] = sum;
      }
    numMultiplied += rows * columns;
  }
};

using KernelFn = void(const kv_call *, int64_t member, int64_t members, uint8_t *scratch, const void *const *pointers,
                      int64_t rows);

constexpr int64_t N = 360, kMostRows = 300; // a last panel that is not full, chunks of 256 and less

/// A kernel of one linear with a norm, y + bias + addend, whose many rows the service computes.
struct Fixture {
  std::mt19937 random{5};
  Isa isa;
  WeightFormat format;
  Activations rounding;
  const int64_t K = depthOf(format);
  Matrix matrix{format, N, K, random};
  std::vector<float> source = numbers(kMostRows * K), norm = numbers(K), bias = numbers(N),
                     addend = numbers(kMostRows * N);
  KernelModule module;
  onednn::PanelRows panelRows;

  std::vector<float> numbers(size_t size) {
    std::normal_distribution<float> normal;
    std::vector<float> values(size);
    for (float &value : values)
      value = normal(random);
    return values;
  }

  ActivationFormat activations() const { return activationsFor(format, rounding); }

  Fixture(const Isa &isa, const WeightFormat &format, Activations rounding)
      : isa(isa), format(format), rounding(rounding) {
    module.add("kernel", {'p', 'i', 'i', 'p', 'p', 'i'}, [&](Code &code, ValueRange args) {
      Kernel kernel{code, module.module(), this->isa, args[0], args[1], args[2], args[3], {}, &panelRows};
      auto pointer = [&](int64_t index) { return code.load(code.ptr, code.at(args[4], 8 * index), 8); };
      Linear linear{format, N, pointer(2), pointer(3)};
      Destination to{pointer(4), N};
      PanelSet set{{linear}, [&](const PartRow &row, Value column, llvm::ArrayRef<Tile> tiles) {
                     emitStoreSum(kernel, linear, to, to.base, row.number, column, tiles[0]);
                   }};
      emitLinears(kernel, activations(), {pointer(0), args[5], K, pointer(1), 1e-5}, set);
    });
    module.compile(isa);
  }

  std::vector<float> run(const onednn_gemm_table *service, int64_t rows, uint32_t members) {
    std::vector<float> result(addend.begin(), addend.begin() + rows * N);
    LinearScratch sizes = linearScratch(activations(), K, 1, &panelRows);
    std::vector<uint8_t> bytes(sizes.fixedBytes + rows * sizes.bytesPerRow + members * sizes.bytesPerMember + 64);
    const void *pointers[] = {source.data(), norm.data(), matrix.bytes(), bias.data(), result.data()};
    auto *kernel = reinterpret_cast<KernelFn *>(module.lookup("kernel"));
    const void *services[] = {service};
    runTeam(members, [&](const kv_team *team, uint32_t member) {
      kv_call call{};
      call.size = sizeof call, call.team = team, call.services = services;
      kernel(&call, member, members, bytes.data() + (-uintptr_t(bytes.data()) & 63), pointers, rows);
    });
    return result;
  }

  /// The largest difference to sums in double, as a share of the row's size.
  double errorOf(const std::vector<float> &result, int64_t rows, bool roundsWeights) const {
    double worst = 0;
    for (int64_t row = 0; row < rows; ++row) {
      double squares = 0, error = 0, size = 0;
      for (int64_t k = 0; k < K; ++k)
        squares += double(source[row * K + k]) * source[row * K + k];
      for (int64_t n = 0; n < N; ++n) {
        double sum = bias[n] + addend[row * N + n];
        for (int64_t k = 0; k < K; ++k) {
          float x = float(source[row * K + k] / std::sqrt(squares / K + 1e-5) * norm[k]);
          sum += double(roundedTo(x, rounding == Activations::bf16)) * weightAt(matrix, n, k, roundsWeights);
        }
        error += std::pow(result[row * N + n] - sum, 2);
        size += sum * sum;
      }
      worst = std::max(worst, std::sqrt(error / size));
    }
    return worst;
  }
};

const onednn_gemm_table &theService() {
  setenv("KVASIR_SERVICE_PATH", KVASIR_SERVICE_FOLDER, 1);
  auto service = offerService({ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, "bf16 96x256", "", true});
  if (!service) { // tests have no way on after this
    std::fprintf(stderr, "%s\n", service.message().c_str());
    std::exit(1);
  }
  return *static_cast<const onednn_gemm_table *>((*service)->table);
}

} // namespace

TEST_CASE("every weight format is unpacked as it was packed, scaled, moved and rounded") {
  for (const Isa &isa : testedIsas())
    for (const WeightFormat &format : kFormats)
      for (Activations rounding : {Activations::bf16, Activations::exact})
        if (format.isGrouped() || rounding == (format.codes == E::bf16 ? Activations::bf16 : Activations::exact))
          checkUnpacked(isa, format, rounding);
}

TEST_CASE("many rows are the service's, on any team, and every row and column is there") {
  Standin standin;
  for (const Isa &isa : testedIsas()) {
    CAPTURE(isa.name);
    Fixture fixture(isa, {E::u4, 0, 32, E::f16, E::f16}, Activations::bf16);
    for (int64_t rows : {1, 31, 32, 127, 128, 159, 160, 300}) {
      CAPTURE(rows);
      bool isMany = rows >= (isa.hasBf16 ? 32 : 128);
      numMultiplied = 0;
      std::vector<float> byOne = fixture.run(&standin.table, rows, 1);
      CHECK(numMultiplied == (isMany ? rows * 384 : 0)); // N, padded to 32
      CHECK(byOne == fixture.run(&standin.table, rows, 3));
      CHECK(fixture.errorOf(byOne, rows, isMany) < 0.01); // a norm that differs in its last bit may round otherwise
    }
  }
}

/// Formats whose panels in f32 gain something.
bool gainsInF32(const WeightFormat &format) { return format.min || format.group == 16; }

TEST_CASE("weights without mins or groups of 16 are the service's only where it multiplies bf16") {
  Standin standin;
  const WeightFormat formats[] = {{E::bf16, 0, 0, E::f16, {}}, {E::u4, 8, 32, E::f16, {}}, {E::i8, 0, 16, E::f32, {}}};
  for (const Isa &isa : testedIsas())
    for (const WeightFormat &format : formats) {
      CAPTURE(isa.name);
      CAPTURE(format.name());
      Fixture fixture(isa, format, Activations::bf16);
      numMultiplied = 0;
      std::vector<float> result = fixture.run(&standin.table, 170, 2);
      CHECK((numMultiplied > 0) == (isa.hasBf16 || gainsInF32(format)));
      CHECK(fixture.errorOf(result, 170, numMultiplied > 0) < 0.01);
    }
}

TEST_CASE("oneDNN computes what the generated kernels do, but for the rounding of weights and the order of sums") {
  const onednn_gemm_table &service = theService();
  for (const WeightFormat &format : kFormats) {
    if (!gainsInF32(format))
      continue;
    CAPTURE(format.name());
    Fixture fixture(testedIsas().front(), format, Activations::bf16);
    for (int64_t rows : {128, 170}) {
      std::vector<float> with = fixture.run(&service, rows, 2), without = fixture.run(nullptr, rows, 2);
      CHECK(with != without);
      CHECK(fixture.errorOf(with, rows, true) < 0.005);
      CHECK(fixture.errorOf(without, rows, false) < 0.005);
    }
  }
}
