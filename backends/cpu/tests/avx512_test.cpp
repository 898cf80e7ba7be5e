// SPDX-License-Identifier: MIT
// What code for machines with AVX-512 looks like; the bits that it computes are in the other tests, in generic IR.
#include "backends/cpu/attention_partition.h"
#include "backends/cpu/panel.h"
#include "backends/cpu/tests/jit.h"

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

std::string panelAssembly(const Isa &isa, const WeightFormat &weight, Rounding rounding, llvm::StringRef cpu) {
  KernelModule module;
  module.add("panel", {'p', 'i', 'p', 'i', 'p'}, [&](Code &code, ValueRange args) {
    PanelCall call{args[0], args[1], args[2], code.num(0), args[3], args[3], args[4], args[4]};
    ActivationFormat format = activationsFor(weight, rounding);
    emitPanelOfOneRow(code, module.module(), isa, weight, format, call);
    emitPanelOfRows(code, module.module(), isa, weight, format, call);
  });
  return module.assembly(cpu);
}
} // namespace

TEST_CASE("integer panels are vpdpbusd in registers on AVX-512") {
  const Isa isa{"avx512-vnni", 16, true};
  for (const char *cpu : {"icelake-server", "sapphirerapids", "znver4", "znver5"})
    for (const WeightFormat &weight :
         {WeightFormat{E::u4, 8, 32, E::f16, {}}, WeightFormat{E::u4, 0, 32, E::f16, E::f16},
          WeightFormat{E::i8, 0, 32, E::f16, {}}, WeightFormat{E::u5, 0, 32, E::i8, E::i8},
          WeightFormat{E::u6, 32, 16, E::i8, {}}}) {
      CAPTURE(cpu);
      CAPTURE(weight.name());
      std::string assembly = panelAssembly(isa, weight, Rounding::int8, cpu);
      CHECK(count(assembly, "vpdpbusd.*%zmm") >= 8 * (2 + 8 + 2));
      CHECK(count(assembly, "%zmm.*\\(%rsp\\)|\\(%rsp\\).*%zmm") == 0);
    }
}

TEST_CASE("panels of many rows keep every vector in AVX2's registers") {
  struct Case {
    WeightFormat weight;
    Rounding rounding;
    const char *step; ///< what inner loops are made of
    int loops;        ///< one for each number of rows of a tile
  };
  const WeightFormat q40{E::u4, 8, 32, E::f16, {}}, q41{E::u4, 0, 32, E::f16, E::f16}, q80{E::i8, 0, 32, E::f16, {}},
      q4k{E::u4, 0, 32, E::i8, E::i8}, q5k{E::u5, 0, 32, E::i8, E::i8}, q6k{E::u6, 32, 16, E::i8, {}},
      bf16{E::bf16, 0, 0, E::f16, {}};
  const Case cases[] = {
      {q40, Rounding::int8, "vpmaddubsw", 2},   {q41, Rounding::int8, "vpmaddubsw", 2},
      {q80, Rounding::int8, "vpmaddwd", 2},     {q4k, Rounding::int8, "vpmaddubsw", 2},
      {q5k, Rounding::int8, "vpmaddubsw", 2},   {q6k, Rounding::int8, "vpmaddubsw", 2},
      {bf16, Rounding::bf16, "vfmadd231ps", 4}, {q40, Rounding::bf16, "vfmadd231ps", 4},
      {q41, Rounding::bf16, "vfmadd231ps", 4},  {q80, Rounding::bf16, "vfmadd231ps", 4},
  };
  const Isa isa{"avx2", 8};
  for (const char *cpu : {"haswell", "znver3"})
    for (const Case &test : cases) {
      CAPTURE(cpu);
      CAPTURE(test.weight.name());
      CAPTURE(int(test.rounding));
      std::string assembly = panelAssembly(isa, test.weight, test.rounding, cpu);
      std::string rows = assembly.substr(assembly.find("_rows_avx2:"));
      std::vector<std::string> loops = innerLoops(rows, std::string(test.step) + ".*%ymm");
      for (const std::string &loop : loops)
        CHECK(count(loop, "%ymm.*\\(%rsp\\)|\\(%rsp\\).*%ymm") == 0);
      CHECK(int(loops.size()) >= test.loops);
    }
}

TEST_CASE("panels with bf16 activations are vdpbf16ps, and four-bit codes a look-up") {
  const Isa isa{"avx512-bf16", 16, true, true};
  for (const char *cpu : {"sapphirerapids", "znver4", "znver5"})
    for (const WeightFormat &weight :
         {WeightFormat{E::u4, 8, 32, E::f16, {}}, WeightFormat{E::u4, 0, 32, E::f16, E::f16},
          WeightFormat{E::i8, 0, 32, E::f16, {}}, WeightFormat{E::bf16, 0, 0, E::f16, {}}}) {
      CAPTURE(cpu);
      CAPTURE(weight.name());
      std::string assembly = panelAssembly(isa, weight, Rounding::bf16, cpu);
      CHECK(count(assembly, "vdpbf16ps.*%zmm") >= 2 * 16 + 4 * 2 * (8 + 4 + 1));
      CHECK(count(assembly, "vpermw") >= (weight.codes == E::u4 ? 2 * 32 : 0));
      if (weight.codes != E::i8) // which is unpacked by arithmetic, once a block, in as many registers as there are
        CHECK(count(assembly, "%zmm.*\\(%rsp\\)|\\(%rsp\\).*%zmm") == 0);
    }
}

static std::string partitionAssembly(const Isa &isa, const PartitionShape &shape, llvm::StringRef cpu) {
  KernelModule module;
  module.add("partition", {'p', 'i', 'p', 'p', 'i', 'p', 'p', 'p'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, {}, {}, {}, {}, {}};
    emitPartition(kernel, shape, {args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[7]});
  });
  return module.assembly(cpu);
}

TEST_CASE("attention is vdpbf16ps where the machine has it") {
  const Isa isa{"avx512-bf16", 16, true, true};
  for (const char *cpu : {"sapphirerapids", "znver4", "znver5"})
    for (const PartitionShape &shape : {PartitionShape{64, 3, 4, false, false}, PartitionShape{64, 3, 3, true, false},
                                        PartitionShape{128, 4, 4, true, false}}) {
      CAPTURE(cpu);
      CAPTURE(shape.queryTile);
      CAPTURE(shape.isAlone);
      std::string assembly = partitionAssembly(isa, shape, cpu);
      CHECK(count(assembly, "vdpbf16ps") >= 16);
      CHECK(count(assembly, "vcvtneps2bf16") >= 1);
      CHECK(count(assembly, "%zmm.*\\(%rsp\\)|\\(%rsp\\).*%zmm") == 0);
    }
}

TEST_CASE("attention keeps every sum in AVX2's registers") {
  const Isa isa{"avx2", 8};
  for (const char *cpu : {"haswell", "znver3"})
    for (bool isHalf : {false, true})
      for (const PartitionShape &shape :
           {PartitionShape{64, 3, 6, false, isHalf}, PartitionShape{64, 3, 3, true, isHalf},
            PartitionShape{128, 4, 4, true, isHalf}}) {
        CAPTURE(cpu);
        CAPTURE(isHalf);
        CAPTURE(shape.queryTile);
        std::string assembly = partitionAssembly(isa, shape, cpu);
        std::vector<std::string> loops = innerLoops(assembly, "vfmadd231ps.*%ymm");
        for (const std::string &loop : loops)
          CHECK(count(loop, "%ymm.*\\(%rsp\\)|\\(%rsp\\).*%ymm") == 0);
        CHECK(loops.size() >= 2);
      }
}
