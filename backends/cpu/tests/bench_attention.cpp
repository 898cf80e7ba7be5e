// SPDX-License-Identifier: MIT
// How fast attention is: tokens that come alone, or one a sequence, as a share of a read loop over the blocks that they
// see; chunks in operations a second, as a share of a loop of AVX2's FMAs. `bench_cpu_attention [decode|batch|chunk
// [VARIANT]]`; without a variant all that this machine runs.
#include "backends/cpu/attention.h"
#include "backends/cpu/cache_layout.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/measure.h"
#include "plugins/include/kvasir/plugin.h"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using AttendFn = void(const kv_call *, int64_t member, int64_t members, uint8_t *scratch, int64_t layer,
                      const float *query, float *result);

struct Shape {
  int64_t layers, queryHeads, heads, width;
  bool isHalf = false; ///< rows of f16
  int64_t window = 0;
  float softcap = 0;

  /// Rows that tokens of a sequence see, one after the other, of which the first is at `position`.
  int64_t rowsSeen(int64_t position, int64_t tokens) const {
    int64_t rows = 0;
    for (int64_t end = position + 1; end <= position + tokens; ++end)
      rows += window ? std::min(end, window) : end;
    return rows;
  }
  int64_t firstSeen(int64_t position) const { return window ? std::max<int64_t>(0, position + 1 - window) : 0; }
};

/// A barrier of threads that have a processor each.
struct Team {
  std::atomic<uint32_t> waiting{0}, passed{0};
  kv_team team;

  explicit Team(uint32_t members)
      : team{sizeof(kv_team), members, this, [](const kv_team *team, uint32_t) -> kv_status {
               auto *self = static_cast<Team *>(team->host);
               uint32_t before = self->passed.load();
               if (self->waiting.fetch_add(1) + 1 == team->members) {
                 self->waiting = 0;
                 self->passed = before + 1;
               }
               while (self->passed.load() == before)
                 _mm_pause();
               return KV_OK;
             }} {}
};

double secondsOf(uint32_t members, const std::function<void(uint32_t)> &body) {
  return seconds([&] { onThreads(members, body); });
}

constexpr size_t kHugePageBytes = 2 << 20; ///< in which a state's large blocks lie

/// `sequences` sequences of `depth` rows, and `tokens` tokens in each to come behind.
struct Bench {
  const Shape shape;
  const int64_t sequences, depth, tokens;
  const uint32_t members;
  int64_t blockBytes = shape.layers * shape.heads * cacheHeadBytes(shape.width);
  int64_t numBlocks = (depth + tokens + 127) / 128;
  const size_t arenaBytes =
      (2 * sequences * numBlocks * blockBytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  uint8_t *const arena = static_cast<uint8_t *>(std::aligned_alloc(kHugePageBytes, arenaBytes));
  std::vector<uint8_t *> blocks;
  std::vector<kv_view> views;
  std::vector<uint64_t> starts, counts, firsts;
  std::vector<uint32_t> sequenceOf;
  std::vector<int64_t> positions;
  Team team{members};

  Bench(const Shape &shape, int64_t sequences, int64_t depth, int64_t tokens, uint32_t members)
      : shape(shape), sequences(sequences), depth(depth), tokens(tokens), members(members) {
    madvise(arena, arenaBytes, MADV_HUGEPAGE);
    for (int64_t i = 0; i < 2 * sequences * numBlocks; ++i) {
      blocks.push_back(arena + i * blockBytes);
      auto *rows = reinterpret_cast<uint16_t *>(blocks.back());
      for (int64_t n = 0; n < blockBytes / 2; ++n)
        rows[n] = uint16_t((shape.isHalf ? 0x2000 : 0x3c00) + (n * 2654435761u >> 20) % 0x300); // 0.008 and more
    }
    for (int64_t i = 0; i < 2 * sequences; ++i)
      views.push_back({&blocks[i * numBlocks], uint64_t(numBlocks), nullptr, nullptr});
    for (int64_t b = 0; b < sequences; ++b) {
      starts.push_back(depth), counts.push_back(tokens), firsts.push_back(b * tokens);
      for (int64_t t = 0; t < tokens; ++t)
        sequenceOf.push_back(uint32_t(b)), positions.push_back(depth + t);
    }
  }
  ~Bench() { std::free(arena); }

  kv_call call() const {
    kv_call call{};
    call.size = sizeof call;
    call.num_sequences = sequences;
    call.num_tokens = sequences * tokens;
    call.starts = starts.data(), call.counts = counts.data(), call.firsts = firsts.data();
    call.token_sequence = sequenceOf.data(), call.positions = positions.data();
    call.views = views.data();
    call.team = &team.team;
    return call;
  }

  /// All layers in turn.
  double attendSeconds(AttendFn *attend, std::vector<uint8_t> &scratch) {
    std::vector<float> query(size_t(sequences * tokens * shape.queryHeads * shape.width), 0.1f), result(query.size());
    kv_call own = call();
    uint8_t *aligned = scratch.data() + (-uintptr_t(scratch.data()) & 63);
    return secondsOf(members, [&](uint32_t member) {
      for (int64_t layer = 0; layer < shape.layers; ++layer) {
        attend(&own, member, members, aligned, layer, query.data(), result.data());
        team.team.barrier(&team.team, member);
      }
    });
  }

  double readSeconds() {
    return secondsOf(members, [&](uint32_t member) {
      for (size_t i = member; i < blocks.size(); i += members)
        if (int64_t(i) % numBlocks >= shape.firstSeen(depth) / 128)
          readAll(blocks[i], size_t(blockBytes));
    });
  }

  double multiplySeconds() const {
    int64_t pairs = sequences * shape.rowsSeen(depth, tokens); // of a query and a row
    int64_t steps = shape.layers * pairs * shape.queryHeads * shape.width * 2 / 8 / kSums;
    return secondsOf(members, [&](uint32_t) { multiplyAndAdd(steps / members); });
  }
};

void print(const Isa &isa, const Shape &shape, int64_t sequences, int64_t depth, int64_t tokens, uint32_t members) {
  KernelModule module;
  module.add("attend", {'p', 'i', 'i', 'p', 'i', 'p', 'p'}, [&](Code &code, ValueRange args) {
    Kernel kernel{code, module.module(), isa, args[0], args[1], args[2], args[3], {}};
    if (sequences == 1 && tokens == 1)
      kernel.rows = 1;
    emitAttention(kernel, {shape.queryHeads, shape.heads, shape.width, float(1 / std::sqrt(double(shape.width))), 0, 1,
                           args[4], args[5], args[6], shape.isHalf, /*wantedOnly=*/false, shape.window, shape.softcap});
  });
  module.compile(isa);
  auto *attend = reinterpret_cast<AttendFn *>(module.lookup("attend"));
  Bench bench(shape, sequences, depth, tokens, members);
  std::vector<uint8_t> scratch(32 << 20);
  std::vector<double> own, reads, multiplies;
  for (int i = 0; i < (tokens == 1 ? 41 : 7); ++i) {
    own.push_back(bench.attendSeconds(attend, scratch));
    reads.push_back(bench.readSeconds());
    multiplies.push_back(bench.multiplySeconds());
  }
  std::string sees = shape.window ? " (window " + std::to_string(shape.window) + ")" : "";
  sees += shape.softcap ? " (softcap)" : "";
  std::printf(
      "%-11s %ld/%ld heads of %ld%s, %u threads, %ld sequences at %ld%s, %ld tokens: %.2f ms, of reading %.2f, of "
      "multiplying %.2f\n",
      isa.name.c_str(), long(shape.queryHeads), long(shape.heads), long(shape.width), shape.isHalf ? " in f16" : "",
      members, long(sequences), long(depth), sees.c_str(), long(tokens), median(own) * 1e3, median(reads) / median(own),
      median(multiplies) / median(own));
}

void printAll(const Isa &isa, const std::string &only, uint32_t members) {
  const Shape smol{30, 9, 3, 64}, wide{16, 8, 4, 256}, sliding{16, 8, 4, 256, false, 512},
      capped{16, 8, 4, 256, false, 0, 50};
  if (only.empty() || only == "decode") {
    print(isa, smol, 1, 4000, 1, members);
    print(isa, smol, 1, 1000, 1, members);
    print(isa, smol, 1, 60, 1, members);
    for (const Shape &shape : {Shape{16, 16, 16, 64}, Shape{16, 32, 8, 64}, Shape{16, 32, 8, 128},
                               Shape{16, 40, 8, 64, true}, Shape{16, 48, 8, 64, true}})
      print(isa, shape, 1, 2000, 1, members);
    for (const Shape &shape : {wide, sliding, capped})
      print(isa, shape, 1, 512, 1, members);
    print(isa, sliding, 1, 4000, 1, members);
  }
  if (only.empty() || only == "batch") {
    print(isa, smol, 8, 60, 1, members);
    print(isa, smol, 16, 200, 1, members);
    for (int64_t depth : {512, 4000})
      print(isa, sliding, 8, depth, 1, members);
  }
  if (only.empty() || only == "chunk") {
    print(isa, smol, 1, 3840, 256, members);
    print(isa, smol, 1, 0, 256, members);
    print(isa, {16, 32, 8, 128}, 1, 1792, 256, members);
    for (const Shape &shape : {wide, sliding, capped})
      print(isa, shape, 1, 512, 256, members);
    print(isa, sliding, 1, 3840, 256, members);
  }
}
} // namespace

int main(int argc, char **argv) {
  const std::string only = argc > 1 ? argv[1] : "", variant = argc > 2 ? argv[2] : "";
  for (const Isa &isa : testedIsas())
    for (uint32_t members : {1, 2})
      if (!isa.isEmulated && (variant.empty() || isa.name == variant))
        printAll(isa, only, members);
}
