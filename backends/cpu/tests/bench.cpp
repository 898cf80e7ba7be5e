// SPDX-License-Identifier: MIT
// How fast the panels are: one row as a share of a read loop over the same bytes, many rows in operations a second.
// With an argument only for the variants of this machine whose names begin with it: "avx2", "avx512-vnni".
#include "backends/cpu/panel.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/measure.h"
#include "backends/cpu/tests/reference.h"

#include <cstdio>
#include <cstdlib>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;
using PanelsFn = void(const uint8_t *weights, int64_t panels, const uint8_t *activations, int64_t rows,
                      uint8_t *scratch);

constexpr int64_t kColumns = 1536, kRows = 504;

void addPanels(KernelModule &module, const Isa &isa, const WeightFormat &weight, Activations rounding) {
  for (bool isOneRow : {true, false})
    module.add(isOneRow ? "one" : "many", {'p', 'i', 'p', 'i', 'p'}, [&](Code &code, ValueRange args) {
      ActivationFormat format = activationsFor(weight, rounding);
      code.loop(code.num(0), args[1], 1, [&](Value panel) {
        PanelCall call;
        call.weight = code.at(args[0], code.mul(panel, weight.panelBytes(kColumns)));
        call.groups = code.num(kColumns / 32);
        call.activations = args[2];
        call.firstRow = code.num(0);
        call.rows = call.count = args[3];
        call.result = args[4];
        call.unpacked = code.at(args[4], 1 << 16);
        call.next = code.at(call.weight, weight.panelBytes(kColumns));
        (isOneRow ? emitPanelOfOneRow : emitPanelOfRows)(code, module.module(), isa, weight, format, call);
      });
    });
}

/// Zeros that begin at a line, as a plugin's scratch does: where they do not, every second load is of two lines.
class Lines {
public:
  explicit Lines(size_t bytes) : lines(bytes / 64) {}
  uint8_t *data() { return lines.data()->bytes; }

private:
  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  std::vector<Line> lines;
};

void bench(const Isa &isa, const char *name, const WeightFormat &weight, Activations rounding, uint32_t threads) {
  KernelModule module;
  addPanels(module, isa, weight, rounding);
  module.compile(isa);
  auto *one = reinterpret_cast<PanelsFn *>(module.lookup("one"));
  auto *many = reinterpret_cast<PanelsFn *>(module.lookup("many"));
  int64_t panelBytes = weight.panelBytes(kColumns), panels = (160 << 20) / panelBytes / threads;
  size_t size = size_t(panels) * panelBytes;
  auto *bytes = static_cast<uint8_t *>(std::aligned_alloc(4096, (size * threads + 4095) / 4096 * 4096));
  std::fill_n(bytes, size * threads, uint8_t(0x11));
  std::vector<double> reads, kernels;
  Lines activations(8 << 20), scratch((1 << 18) * size_t(threads));
  for (int i = 0; i < 9; ++i) {
    reads.push_back(seconds([&] { onThreads(threads, [&](uint32_t t) { readAll(bytes + size * t, size); }); }));
    kernels.push_back(seconds([&] {
      onThreads(threads,
                [&](uint32_t t) { one(bytes + size * t, panels, activations.data(), 1, scratch.data() + (t << 18)); });
    }));
  }
  auto best = [](const std::vector<double> &v) { return *std::min_element(v.begin(), v.end()); };
  double gigabytes = size * threads / 1e9;
  std::printf("%-11s %-12s %u threads: one row %.1f GB/s, read %.1f GB/s, share %.2f (best of each %.2f)",
              isa.name.c_str(), name, threads, gigabytes / median(kernels), gigabytes / median(reads),
              median(reads) / median(kernels), best(reads) / best(kernels));
  // Short runs, of which the best is taken: others on this machine hit few of them.
  int64_t few = std::max<int64_t>(1, (128 << 10) / panelBytes);
  auto bestOf = [&](PanelsFn *run, int64_t rows) {
    return bestSeconds(100, [&] {
      onThreads(threads,
                [&](uint32_t t) { run(bytes + size * t, few, activations.data(), rows, scratch.data() + (t << 18)); });
    });
  };
  if (threads == 1)
    std::printf(", from a cache %.1f GB/s", 1e-9 * few * panelBytes / bestOf(one, 1));
  for (int64_t rows : {int64_t(4), int64_t(16), kRows})
    std::printf(", %ld rows %.0f Gop/s", long(rows), 2e-9 * few * 32 * kColumns * rows * threads / bestOf(many, rows));
  std::printf("\n");
  std::free(bytes);
}

void benchAll(const Isa &isa, uint32_t threads) {
  auto run = [&](const char *name, const WeightFormat &weight, Activations rounding) {
    bench(isa, name, weight, rounding, threads);
  };
  run("Q4_0", {E::u4, 8, 32, E::f16, {}}, Activations::int8);
  run("Q4_1", {E::u4, 0, 32, E::f16, E::f16}, Activations::int8);
  run("Q8_0", {E::i8, 0, 32, E::f16, {}}, Activations::int8);
  run("Q5_0", {E::u5, 16, 32, E::f16, {}}, Activations::int8);
  run("Q4_K", {E::u4, 0, 32, E::i8, E::i8}, Activations::int8);
  run("Q5_K", {E::u5, 0, 32, E::i8, E::i8}, Activations::int8);
  run("Q6_K", {E::u6, 32, 16, E::i8, {}}, Activations::int8);
  run("Q2_K", {E::u2, 0, 16, E::i8, E::i8}, Activations::int8);
  run("Q3_K", {E::u3, 4, 16, E::i8, {}}, Activations::int8);
  run("MXFP4", kMxfp4, Activations::int8);
  run("IQ4_XS", kIq4Xs, Activations::int8);
  run("Q4_K + Q6_K", {E::u6, 32, 16, E::i8, E::i8}, Activations::int8);
  run("BF16", {E::bf16, 0, 0, E::f16, {}}, Activations::bf16);
  run("Q4_0 x bf16", {E::u4, 8, 32, E::f16, {}}, Activations::bf16);
  run("Q4_1 x bf16", {E::u4, 0, 32, E::f16, E::f16}, Activations::bf16);
  run("Q8_0 x bf16", {E::i8, 0, 32, E::f16, {}}, Activations::bf16);
}
} // namespace

int main(int argc, char **argv) {
  for (const Isa &isa : testedIsas())
    for (uint32_t threads : {1, 2})
      if (!isa.isEmulated && (argc < 2 || isa.name.starts_with(argv[1])))
        benchAll(isa, threads);
}
