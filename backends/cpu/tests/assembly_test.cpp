// SPDX-License-Identifier: MIT
// What the code of plugins looks like, for any machine; the bits that it computes are in the other tests.
#include "backends/cpu/attention_partition.h"
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/panel.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/reference.h"

#include <doctest/doctest.h>

#include <regex>
#include <sstream>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using E = ElementType;

/// Lines of `assembly` that match.
int count(const std::string &assembly, const std::string &pattern) {
  std::regex expression(pattern);
  std::istringstream lines(assembly);
  int found = 0;
  for (std::string line; std::getline(lines, line);)
    found += std::regex_search(line, expression);
  return found;
}

/// Inner loops, which are one block each, from a label to the next: they have eight lines or more that match `step`.
std::vector<std::string> innerLoops(const std::string &assembly, const std::string &step) {
  std::vector<std::string> loops;
  for (size_t at = 0, next; at != std::string::npos; at = next) {
    next = assembly.find("\n.LBB", at + 1);
    std::string block = assembly.substr(at, next - at);
    if (count(block, step) >= 8)
      loops.push_back(block);
  }
  return loops;
}

const WeightFormat kQ40{E::u4, 8, 32, E::f16, {}}, kQ41{E::u4, 0, 32, E::f16, E::f16}, kQ50{E::u5, 16, 32, E::f16, {}},
    kQ80{E::i8, 0, 32, E::f16, {}}, kQ4K{E::u4, 0, 32, E::i8, E::i8}, kQ5K{E::u5, 0, 32, E::i8, E::i8},
    kQ6K{E::u6, 32, 16, E::i8, {}}, kMixed{E::u6, 32, 16, E::i8, E::i8}, kBf16{E::bf16, 0, 0, E::f16, {}},
    kF16{E::f16, 0, 0, E::f16, {}}, kF32{E::f32, 0, 0, E::f16, {}}, kQ2K{E::u2, 0, 16, E::i8, E::i8},
    kQ3K{E::u3, 4, 16, E::i8, {}};
const Isa kAvx2{"avx2", 8}, kAvx2Vnni{"avx2-vnni", 8, true}, kVnni{"avx512-vnni", 16, true},
    kWithBf16{"avx512-bf16", 16, true, true}, kWithFma{"avx512-fma", 16, true, true, false, true};

/// What the backend lets code for `isa` be generated for.
CodeTarget targetOf(const Isa &isa) {
  CpuBackend backend;
  Variant variant = llvm::cantFail(backend.configure({std::nullopt, {isa.name}})).front();
  return {variant.cpu, variant.features};
}

/// The code from the panel of one row ("row") or many ("rows") on. Names with a dash are quoted.
std::string panelOf(const std::string &assembly, const char *rows, const Isa &isa) {
  size_t label = assembly.find(std::string("_") + rows + "_" + isa.name + (isa.hasVnni ? "\":" : ":"));
  return assembly.substr(std::min(label, assembly.size()));
}

/// Vectors that are kept on the stack for want of registers.
int spills(const std::string &assembly) { return count(assembly, "%[xyz]mm.*\\(%rsp\\)|\\(%rsp\\).*%[xyz]mm"); }

std::string panelAssembly(const Isa &isa, const WeightFormat &weight, Activations rounding) {
  KernelModule module;
  module.add("panel", {'p', 'i', 'p', 'i', 'p'}, [&](Code &code, ValueRange args) {
    PanelCall call{args[0], args[1], args[2], code.num(0), args[3], args[3], args[4], args[4], args[0]};
    ActivationFormat format = activationsFor(weight, rounding);
    emitPanelOfOneRow(code, module.module(), isa, weight, format, call);
    emitPanelOfRows(code, module.module(), isa, weight, format, call);
  });
  return module.assembly(targetOf(isa));
}
} // namespace

TEST_CASE("integer panels are vpdpbusd in registers on AVX-512, for every format") {
  for (const WeightFormat &weight : {kQ40, kQ41, kQ50, kQ80, kQ2K, kQ3K, kQ4K, kQ5K, kQ6K, kMixed, kMxfp4, kIq4Xs}) {
    CAPTURE(weight.name());
    std::string assembly = panelAssembly(kVnni, weight, Activations::int8);
    CHECK(count(assembly, "vpdpbusd.*%zmm") >= 8 * (2 + 8 + 2));
    CHECK(spills(assembly) == 0);
  }
}

TEST_CASE("integer panels of many rows convert no scale in the loop over rows") {
  for (const WeightFormat &weight : {kQ40, kQ41, kQ80, kQ4K, kQ6K, kMixed}) {
    CAPTURE(weight.name());
    std::string assembly = panelAssembly(kVnni, weight, Activations::int8);
    std::string rows = panelOf(assembly, "rows", kVnni);
    std::vector<std::string> loops = innerLoops(rows, "vpdpbusd.*%zmm");
    for (const std::string &loop : loops)
      CHECK(count(loop, "vcvtph2ps|vpmovsx") == 0);
    CHECK(loops.size() >= 4); // four rows and one, in the first group and in the others
  }
}

TEST_CASE("panels of many rows keep every vector in AVX2's registers") {
  struct Case {
    Isa isa;
    WeightFormat weight;
    Activations rounding;
    const char *step; ///< what inner loops are made of
    int loops;        ///< one for each number of rows of a tile, and of few rows
  };
  const Case cases[] = {
      {kAvx2, kQ40, Activations::int8, "vpmaddubsw", 6},     {kAvx2, kQ41, Activations::int8, "vpmaddubsw", 6},
      {kAvx2, kQ80, Activations::int8, "vpmaddwd", 6},       {kAvx2, kQ4K, Activations::int8, "vpmaddubsw", 2},
      {kAvx2, kQ5K, Activations::int8, "vpmaddubsw", 2},     {kAvx2, kQ6K, Activations::int8, "vpmaddubsw", 2},
      {kAvx2, kBf16, Activations::bf16, "vfmadd231ps", 4},   {kAvx2, kQ40, Activations::bf16, "vfmadd231ps", 4},
      {kAvx2, kQ41, Activations::bf16, "vfmadd231ps", 4},    {kAvx2, kQ80, Activations::bf16, "vfmadd231ps", 4},
      {kAvx2, kQ2K, Activations::int8, "vpmaddubsw", 2},     {kAvx2, kQ3K, Activations::int8, "vpmaddubsw", 2},
      {kAvx2, kMxfp4, Activations::int8, "vpmaddubsw", 6},   {kAvx2, kIq4Xs, Activations::int8, "vpmaddwd", 2},
      {kAvx2, kIq4Nl, Activations::int8, "vpmaddwd", 2},     {kAvx2Vnni, kIq4Nl, Activations::int8, "vpdpbusd", 6},
      {kAvx2Vnni, kQ2K, Activations::int8, "vpdpbusd", 2},   {kAvx2Vnni, kQ3K, Activations::int8, "vpdpbusd", 2},
      {kAvx2Vnni, kMxfp4, Activations::int8, "vpdpbusd", 6}, {kAvx2Vnni, kIq4Xs, Activations::int8, "vpdpbusd", 2},
      {kAvx2Vnni, kQ40, Activations::int8, "vpdpbusd", 6},   {kAvx2Vnni, kQ41, Activations::int8, "vpdpbusd", 6},
      {kAvx2Vnni, kQ80, Activations::int8, "vpdpbusd", 6},   {kAvx2Vnni, kQ4K, Activations::int8, "vpdpbusd", 2},
      {kAvx2Vnni, kQ5K, Activations::int8, "vpdpbusd", 2},   {kAvx2Vnni, kQ6K, Activations::int8, "vpdpbusd", 2},
  };
  for (const Case &test : cases) {
    CAPTURE(test.weight.name());
    CAPTURE(int(test.rounding));
    CAPTURE(test.isa.name);
    std::string assembly = panelAssembly(test.isa, test.weight, test.rounding);
    std::string rows = panelOf(assembly, "rows", test.isa);
    std::vector<std::string> loops = innerLoops(rows, std::string(test.step) + ".*%ymm");
    for (const std::string &loop : loops)
      CHECK(spills(loop) == 0);
    CHECK(int(loops.size()) >= test.loops);
  }
}

TEST_CASE("panels of one row of 2-, 4- and 8-bit codes keep every vector in AVX2's registers") {
  for (const Isa &isa : {kAvx2, kAvx2Vnni})
    for (const WeightFormat &weight : {kQ40, kQ41, kQ80, kQ2K, kQ4K, kMxfp4, kIq4Nl, kIq4Xs}) {
      CAPTURE(isa.name);
      CAPTURE(weight.name());
      std::string assembly = panelAssembly(isa, weight, Activations::int8);
      std::string row = panelOf(assembly, "row", isa);
      row = row.substr(0, row.find("retq"));
      std::vector<std::string> loops = innerLoops(row, "vp(madd(ubsw|wd)|dpbusd).*%ymm");
      for (const std::string &loop : loops)
        CHECK(spills(loop) == 0);
      CHECK(loops.size() == 1);
    }
}

TEST_CASE("panels with bf16 activations are vdpbf16ps in registers, and narrow codes a look-up") {
  for (const WeightFormat &weight :
       {kQ40, kQ41, kQ50, kQ80, kQ2K, kQ3K, kQ4K, kQ5K, kQ6K, kMixed, kMxfp4, kIq4Xs, kBf16}) {
    CAPTURE(weight.name());
    std::string assembly = panelAssembly(kWithBf16, weight, Activations::bf16);
    CHECK(count(assembly, "vdpbf16ps.*%zmm") >= 2 * 16 + 4 * 2 * (8 + 4 + 1));
    CHECK(count(assembly, "vperm(w|[it]2w)") >= (weight.isPacked() ? 2 * 32 : 0));
    CHECK(count(assembly, "vcvtdq2ps") <= (weight.isPacked() ? 2 * 8 : 1000)); // of scales and mins at the most
    CHECK(spills(assembly) == 0);
  }
}

TEST_CASE("panels in f32 keep every vector in AVX-512's registers") {
  for (const WeightFormat &weight : {kQ40, kQ41, kQ80, kQ6K, kMixed, kBf16, kF16, kF32}) {
    CAPTURE(weight.name());
    std::string assembly = panelAssembly(kVnni, weight, Activations::exact);
    CHECK(count(assembly, "vfmadd.*ps.*%zmm") >= 2 * 32 + 4 * 2 * (8 + 4 + 1));
    CHECK(spills(assembly) == 0);
  }
}

static std::string partitionAssembly(const Isa &isa, const PartitionShape &shape) {
  KernelModule module;
  module.add("partition", {'p', 'i', 'p', 'p', 'i', 'p', 'p', 'p', 'i', 'p', 'i'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, {}, {}, {}, {}, {}};
    emitPartition(kernel, shape,
                  {args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[7], code.equal(args[8], 0),
                   args[9], args[10]});
  });
  std::string assembly = module.assembly(targetOf(isa));
  return assembly.substr(assembly.find("retq")); // behind the caller, which passes arguments on the stack
}

TEST_CASE("attention is vdpbf16ps where the machine has it, else FMAs, in AVX-512's registers") {
  for (const Isa &isa : {kVnni, kWithBf16, kWithFma})
    for (bool isHalf : {false, true})
      for (const PartitionShape &shape :
           {PartitionShape{64, 3, kQueryTile, false, isHalf}, PartitionShape{64, 3, 3, true, isHalf},
            PartitionShape{128, 4, 4, true, isHalf}, PartitionShape{80, 1, 1, true, isHalf}}) {
        CAPTURE(isa.name);
        CAPTURE(isHalf);
        CAPTURE(shape.width);
        CAPTURE(shape.isAlone);
        std::string assembly = partitionAssembly(isa, shape);
        bool multipliesPairs = isa.multipliesPairs() && !isHalf;
        CHECK(count(assembly, multipliesPairs ? "vdpbf16ps.*%zmm" : "vfmadd.*ps.*%zmm") >= 8);
        if (!multipliesPairs)
          CHECK(count(assembly, "vdpbf16ps") == 0);
        CHECK(count(assembly, "vcvtne2?ps2bf16") >= (isa.hasBf16 && !isHalf ? 1 : 0));
        CHECK(spills(assembly) == 0);
      }
}

TEST_CASE("attention keeps every sum in AVX2's registers") {
  for (bool isHalf : {false, true})
    for (const PartitionShape &shape :
         {PartitionShape{64, 3, kQueryTileAvx2, false, isHalf}, PartitionShape{64, 3, 3, true, isHalf},
          PartitionShape{128, 4, 4, true, isHalf}}) {
      CAPTURE(isHalf);
      CAPTURE(shape.queryTile);
      std::string assembly = partitionAssembly(kAvx2, shape);
      std::vector<std::string> loops = innerLoops(assembly, "vfmadd231ps.*%ymm");
      for (const std::string &loop : loops)
        CHECK(spills(loop) == 0);
      CHECK(loops.size() >= 2);
    }
}
