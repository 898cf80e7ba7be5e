// SPDX-License-Identifier: MIT
// How fast linears of many rows are with the service and without, and the peak of this machine's multiplications.
#include "backends/cpu/epilogues.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/measure.h"
#include "backends/cpu/tests/reference.h"
#include "backends/cpu/tests/team.h"
#include "backends/onednn/panels.h"
#include "backends/onednn/runtime/gemm.h"
#include "plugins/services.h"

#include <cstdio>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;
using KernelFn = void(const kv_call *, int64_t member, int64_t members, uint8_t *scratch, const void *const *pointers,
                      int64_t rows);

/// f32 operations a second of one thread.
double peak() {
  constexpr int64_t kTurns = 400000;
  return kTurns * kSums * 16 / bestSeconds(8, [] { multiplyAndAdd(kTurns); });
}

struct Shape {
  int64_t columns, rows; ///< K, N
};

/// A model's weights, and the linears of one of its layers.
struct Layer {
  std::string name;
  WeightFormat format;
  std::vector<Shape> shapes;
};

constexpr int64_t kCounts[] = {128, 256, 512};

/// Operations, and the seconds that they take without the service and with it.
struct Cost {
  double operations = 0, seconds[2] = {};
};

void print(const Layer &layer, const std::string &what, int64_t rows, const Cost &cost) {
  const double speed[] = {cost.operations / cost.seconds[0], cost.operations / cost.seconds[1]};
  std::printf("%-16s %-14s %3ld rows: cpu %5.1f, onednn %5.1f GF/s = %.0f %% of the peak\n", layer.name.c_str(),
              what.c_str(), long(rows), speed[0] / 1e9, speed[1] / 1e9, 100 * speed[1] / peak());
}

/// What a linear of this shape costs on one thread, by kCounts.
std::vector<Cost> measure(const Layer &layer, const Shape &of, const onednn_gemm_table &service) {
  const WeightFormat &format = layer.format;
  std::mt19937 random(3);
  Matrix matrix(format, of.rows, of.columns, random);
  std::vector<float> source(512 * of.columns, 0.25f), result(512 * of.rows);
  onednn::PanelRows panelRows;
  ActivationFormat activations = activationsFor(format, Activations::bf16);
  KernelModule module;
  const Isa isa{"avx2", 8};
  module.add("kernel", {'p', 'i', 'i', 'p', 'p', 'i'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, args[0], args[1], args[2], args[3], {}, &panelRows};
    auto pointer = [&](int64_t index) { return code.load(code.ptr, code.at(args[4], 8 * index), 8); };
    Linear linear{format, of.rows, pointer(1), {}};
    Destination to{pointer(2), of.rows};
    PanelSet set{{linear}, [&](const PartRow &row, Value column, llvm::ArrayRef<Tile> tiles) {
                   emitStore(kernel, linear, to, row.number, column, tiles[0]);
                 }};
    emitLinears(kernel, activations, {pointer(0), args[5], of.columns, {}, 0}, set);
  });
  module.compile(isa);
  auto *kernel = reinterpret_cast<KernelFn *>(module.lookup("kernel"));
  const void *pointers[] = {source.data(), matrix.bytes(), result.data()};
  LinearScratch sizes = linearScratch(activations, of.columns, 1, &panelRows);
  std::vector<uint8_t> scratch(sizes.fixedBytes + 512 * sizes.bytesPerRow + sizes.bytesPerMember + 64);
  std::vector<Cost> costs;
  for (int64_t rows : kCounts) {
    Cost &cost = costs.emplace_back();
    cost.operations = 2.0 * double(rows * of.rows * of.columns);
    for (int with : {0, 1}) {
      const void *services[] = {with ? &service : nullptr};
      runTeam(1, [&](const kv_team *team, uint32_t) {
        kv_call call{};
        call.size = sizeof call, call.team = team, call.services = services;
        auto run = [&] { kernel(&call, 0, 1, scratch.data() + (-uintptr_t(scratch.data()) & 63), pointers, rows); };
        run();
        cost.seconds[with] = bestSeconds(7, run);
      });
    }
    print(layer, std::to_string(of.rows) + " x " + std::to_string(of.columns), rows, cost);
  }
  return costs;
}

void measure(const Layer &layer, const onednn_gemm_table &service) {
  std::vector<Cost> all(std::size(kCounts));
  for (const Shape &shape : layer.shapes) {
    const std::vector<Cost> costs = measure(layer, shape, service);
    for (size_t i = 0; i < all.size(); ++i) {
      all[i].operations += costs[i].operations;
      for (int with : {0, 1})
        all[i].seconds[with] += costs[i].seconds[with];
    }
  }
  for (size_t i = 0; i < all.size(); ++i)
    print(layer, "all of a layer", kCounts[i], all[i]);
}
} // namespace

int main() {
  auto service = offerService({ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, "bf16", "", true});
  if (!service) {
    std::fprintf(stderr, "bench: %s\n", service.message().c_str());
    return 1;
  }
  const auto &table = *static_cast<const onednn_gemm_table *>((*service)->table);
  std::printf("%s; peak %.1f GF/s of f32, one thread\n", (*service)->about, peak() / 1e9);
  const std::vector<Shape> smollm2 = {{576, 576},  {576, 192},  {576, 192}, {576, 576},
                                      {576, 1536}, {576, 1536}, {1536, 576}};
  const std::vector<Shape> large = {{2048, 2048}, {2048, 512},  {2048, 512}, {2048, 2048},
                                    {2048, 8192}, {2048, 8192}, {8192, 2048}};
  measure({"135M BF16", {E::bf16, 0, 0, E::f16, {}}, smollm2}, table);
  measure({"135M Q4_1", {E::u4, 0, 32, E::f16, E::f16}, smollm2}, table);
  measure({"1B Q4_0", {E::u4, 8, 32, E::f16, {}}, large}, table);
  const WeightFormat formats[] = {{E::u4, 0, 32, E::f32, E::f32}, {E::u8, 16, 32, E::f16, {}},
                                  {E::u8, 0, 32, E::f16, E::f16}, {E::i8, 0, 32, E::f16, {}},
                                  {E::i8, 0, 16, E::f32, {}},     {E::u8, 32, 16, E::f32, {}}};
  for (const WeightFormat &format : formats)
    measure({format.name(), format, {{2048, 2048}}}, table);
}
