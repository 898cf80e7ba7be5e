// SPDX-License-Identifier: MIT
#include "backends/cpu/attention.h"
#include "backends/cpu/cache_layout.h"
#include "backends/cpu/tests/jit.h"
#include "backends/cpu/tests/reference.h"
#include "backends/cpu/tests/team.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numeric>

using namespace kvasir;
using namespace kvasir::cpu;

namespace {
using AttendFn = void(const kv_call *, int64_t member, int64_t members, uint8_t *scratch, const float *query,
                      float *result, const float *sinks);

struct Shape {
  int64_t queryHeads, heads, width;
  bool isHalf = false; ///< rows of f16
  int64_t window = 0;
  float softcap = 0;
  bool hasSinks = false;

  /// Of a head: about as large as scores, far below them, far above.
  static float sinkOf(int64_t head) { return head % 4 == 2 ? -1e4f : head % 4 == 3 ? 300.0f : float(head) - 1; }
  ElementType element() const { return isHalf ? ElementType::f16 : ElementType::bf16; }
  /// The first row that a token at `position` sees.
  int64_t firstSeen(int64_t position) const { return window ? std::max<int64_t>(0, position + 1 - window) : 0; }
};

constexpr int64_t kLayers = 2, kLayer = 1;

/// Caches of some sequences, full of random rows: what lies behind a sequence's end is what an earlier one left.
struct Caches {
  Shape shape;
  Layout layouts[2];
  std::vector<std::vector<std::vector<uint8_t>>> blocks; ///< [slot * B + b][block]
  std::vector<std::vector<uint8_t *>> tables;
  std::vector<kv_view> views;
  size_t numSequences;

  Caches(const Shape &shape, size_t sequences, int64_t rows, std::mt19937 &random)
      : shape(shape), numSequences(sequences) {
    std::normal_distribution<float> normal;
    for (int slot = 0; slot < 2; ++slot) {
      layouts[slot] = cacheLayout(kLayers, shape.heads, shape.width, slot == 0, shape.element());
      for (size_t b = 0; b < sequences; ++b) {
        auto &own = blocks.emplace_back((rows + 127) / 128);
        for (auto &block : own) {
          block.resize(layouts[slot].sizeBytes);
          for (size_t i = 0; i < block.size(); i += 2) {
            uint16_t value = shape.isHalf ? floatToHalf(normal(random)) : floatToBf16(normal(random));
            std::memcpy(&block[i], &value, 2);
          }
        }
      }
    }
    for (auto &own : blocks) {
      auto &table = tables.emplace_back();
      for (auto &block : own)
        table.push_back(block.data());
    }
    for (auto &table : tables)
      views.push_back({table.data(), table.size(), nullptr, nullptr});
  }

  size_t byteOf(int slot, int64_t row, int64_t head, int64_t lane) const {
    uint64_t indices[6] = {kLayer, 0, 0, uint64_t(head), uint64_t(row % 128), uint64_t(lane)};
    return bitOffset(layouts[slot].planes[0], indices) / 8;
  }
  float at(int slot, size_t sequence, int64_t row, int64_t head, int64_t lane) const {
    uint16_t value;
    const auto &block = blocks[slot * numSequences + sequence][row / 128];
    std::memcpy(&value, &block[byteOf(slot, row, head, lane)], 2);
    return shape.isHalf ? halfToFloat(value) : bf16ToFloat(value);
  }
  /// A row that is no number in any lane.
  void spoil(int slot, size_t sequence, int64_t row) {
    for (int64_t head = 0; head < shape.heads; ++head)
      for (int64_t lane = 0; lane < shape.width; ++lane)
        std::memset(&blocks[slot * numSequences + sequence][row / 128][byteOf(slot, row, head, lane)], 0xff, 2);
  }
};

struct Batch {
  std::vector<uint64_t> starts, counts, firsts;
  std::vector<uint32_t> sequenceOf;
  std::vector<int64_t> positions;

  Batch(std::vector<uint64_t> from, std::vector<uint64_t> numbers) : starts(from), counts(numbers) {
    for (size_t b = 0; b < counts.size(); ++b) {
      firsts.push_back(positions.size());
      for (uint64_t t = 0; t < counts[b]; ++t)
        sequenceOf.push_back(uint32_t(b)), positions.push_back(int64_t(starts[b] + t));
    }
  }

  kv_call call(const kv_view *views) const {
    kv_call call{};
    call.size = sizeof call;
    call.num_sequences = counts.size();
    call.num_tokens = positions.size();
    call.starts = starts.data(), call.counts = counts.data(), call.firsts = firsts.data();
    call.token_sequence = sequenceOf.data(), call.positions = positions.data();
    call.views = views;
    return call;
  }
};

/// Views of the same sequences; blocks that lie in front of all windows were let go.
struct HeldViews {
  std::vector<std::vector<uint8_t *>> tables;
  std::vector<kv_view> views;

  HeldViews(const kv_call &call, const Shape &shape) {
    for (size_t i = 0; i < 2 * call.num_sequences; ++i) {
      const kv_view &view = call.views[i];
      auto &table = tables.emplace_back(view.blocks, view.blocks + view.num_blocks);
      std::fill_n(table.begin(), shape.firstSeen(int64_t(call.starts[i % call.num_sequences])) / 128, nullptr);
      views.push_back({table.data(), table.size(), nullptr, nullptr});
    }
  }
};

std::vector<float> run(AttendFn *attend, kv_call call, const float *query, const Shape &shape, uint32_t members,
                       int64_t eager = -1) {
  HeldViews held(call, shape);
  call.views = held.views.data();
  std::vector<float> result((call.wanted ? call.num_wanted : call.num_tokens) * shape.queryHeads * shape.width);
  std::vector<float> sinks;
  for (int64_t head = 0; head < shape.queryHeads; ++head)
    sinks.push_back(Shape::sinkOf(head));
  runTeam(
      members,
      [&](const kv_team *team, uint32_t member) {
        kv_call own = call;
        own.team = team;
        attend(&own, member, members, scratchMemory(), query, result.data(), sinks.data());
      },
      eager);
  return result;
}

double errorOf(const Caches &caches, const Batch &batch, const float *query, const std::vector<float> &result) {
  const Shape &s = caches.shape;
  double worst = 0;
  for (size_t t = 0; t < batch.positions.size(); ++t)
    for (int64_t h = 0; h < s.queryHeads; ++h) {
      int64_t head = h / (s.queryHeads / s.heads), first = s.firstSeen(batch.positions[t]);
      int64_t seen = batch.positions[t] + 1 - first;
      const float *q = query + (t * s.queryHeads + h) * s.width;
      std::vector<double> weights(seen), lanes(s.width);
      double most = -1e30, sum = 0;
      for (int64_t r = 0; r < seen; ++r) {
        for (int64_t d = 0; d < s.width; ++d)
          weights[r] +=
              double(q[d]) * caches.at(0, batch.sequenceOf[t], first + r, head, d) / std::sqrt(double(s.width));
        weights[r] = s.softcap ? s.softcap * std::tanh(weights[r] / s.softcap) : weights[r];
        most = std::max(most, weights[r]);
      }
      if (s.hasSinks)
        sum = std::exp(Shape::sinkOf(h) - most);
      for (int64_t r = 0; r < seen; ++r) {
        sum += weights[r] = std::exp(weights[r] - most);
        for (int64_t d = 0; d < s.width; ++d)
          lanes[d] += weights[r] * caches.at(1, batch.sequenceOf[t], first + r, head, d);
      }
      for (int64_t d = 0; d < s.width; ++d)
        worst = std::max(worst, std::fabs(lanes[d] / sum - result[(t * s.queryHeads + h) * s.width + d]));
    }
  return worst;
}

void addAttend(KernelModule &module, const Isa &isa, const Shape &shape) {
  for (std::string what : {"alone", "chunk", "wanted_alone", "wanted"})
    module.add(what, {'p', 'i', 'i', 'p', 'p', 'p', 'p'}, [&](Code &code, ValueRange args) {
      Kernel kernel{code, module.module(), isa, args[0], args[1], args[2], args[3], {}};
      if (what.ends_with("alone"))
        kernel.rows = 1;
      Attention attention{shape.queryHeads,
                          shape.heads,
                          shape.width,
                          float(1 / std::sqrt(double(shape.width))),
                          0,
                          1,
                          code.num(kLayer),
                          args[4],
                          args[5],
                          shape.isHalf,
                          what[0] == 'w',
                          shape.window,
                          shape.softcap,
                          shape.hasSinks ? args[6] : Value()};
      emitAttention(kernel, attention);
    });
}

/// Kernels of wanted rows give the same bits as those of all, whichever are wanted.
void checkWanted(KernelModule &module, const Caches &caches, const Batch &batch, const std::vector<float> &query,
                 const std::vector<float> &all) {
  size_t rowFloats = caches.shape.queryHeads * caches.shape.width;
  auto checkRows = [&](const char *name, kv_call call, std::vector<uint32_t> wanted, const float *from,
                       const float *expected, uint32_t members) {
    call.wanted = wanted.data(), call.num_wanted = wanted.size();
    auto *attend = reinterpret_cast<AttendFn *>(module.lookup(name));
    std::vector<float> rows = run(attend, call, from, caches.shape, members);
    for (size_t w = 0; w < wanted.size(); ++w)
      CHECK(std::memcmp(&rows[w * rowFloats], expected + wanted[w] * rowFloats, rowFloats * 4) == 0);
  };
  std::vector<uint32_t> every(batch.positions.size());
  std::iota(every.begin(), every.end(), 0);
  for (uint32_t members : {1, 2}) {
    for (const auto &wanted :
         std::vector<std::vector<uint32_t>>{{}, {37}, {0, 36, 57}, {15, 16, 17, 31, 32, 37, 38}, every})
      checkRows("wanted", batch.call(caches.views.data()), wanted, query.data(), all.data(), members);
    kv_view views[2] = {caches.views[1], caches.views[caches.numSequences + 1]};
    Batch one({250}, {1}); // token 37 is the second sequence's
    for (const auto &wanted : std::vector<std::vector<uint32_t>>{{}, {0}})
      checkRows("wanted_alone", one.call(views), wanted, &query[37 * rowFloats], &all[37 * rowFloats], members);
  }
}

/// Each token of a batch attends alone, too: the same bits.
void checkSingles(KernelModule &module, const Caches &caches, const Batch &batch, const std::vector<float> &query,
                  const std::vector<float> &together, std::initializer_list<uint32_t> teams) {
  auto *alone = reinterpret_cast<AttendFn *>(module.lookup("alone"));
  size_t rowFloats = caches.shape.queryHeads * caches.shape.width;
  for (size_t t = 0; t < batch.positions.size(); ++t) {
    uint32_t b = batch.sequenceOf[t];
    kv_view views[2] = {caches.views[b], caches.views[caches.numSequences + b]};
    Batch one({uint64_t(batch.positions[t])}, {1});
    for (uint32_t members : teams) {
      std::vector<float> single = run(alone, one.call(views), query.data() + t * rowFloats, caches.shape, members);
      CHECK(std::memcmp(single.data(), together.data() + t * rowFloats, rowFloats * 4) == 0);
      if (t % 7)
        break;
    }
  }
}

/// Rows enough to be dealt out in parts, to two, to three, and to three times two members.
void checkParts(AttendFn *chunk, const Caches &caches, std::mt19937 &random) {
  std::normal_distribution<float> normal;
  Batch batch({5, 250, 127}, {150, 1, 60});
  std::vector<float> query(batch.positions.size() * caches.shape.queryHeads * caches.shape.width);
  for (float &value : query)
    value = 2 * normal(random);
  auto runBy = [&](uint32_t members, int64_t eager) {
    return run(chunk, batch.call(caches.views.data()), query.data(), caches.shape, members, eager);
  };
  std::vector<float> byOne = runBy(1, -1);
  for (int64_t members : {2, 3, 6})
    for (int64_t eager : {int64_t(-1), members / 2})
      CHECK(runBy(members, eager) == byOne);
}

/// Rows that no token of the call sees may be anything, but for values beside one that is seen.
void checkUnseen(AttendFn *chunk, Caches &caches, const Batch &batch, const std::vector<float> &query,
                 const std::vector<float> &together) {
  for (size_t b = 0; b < batch.counts.size(); ++b) {
    const int64_t first = caches.shape.firstSeen(int64_t(batch.starts[b]));
    const int64_t end = int64_t(batch.starts[b] + batch.counts[b]);
    for (int64_t row = 0; row < int64_t(caches.tables[b].size()) * 128; ++row) {
      if (row < first || row >= end)
        caches.spoil(0, b, row);
      if (row / 2 < first / 2 || row / 2 > (end - 1) / 2)
        caches.spoil(1, b, row);
    }
  }
  std::vector<float> again = run(chunk, batch.call(caches.views.data()), query.data(), caches.shape, 1);
  CHECK(std::memcmp(together.data(), again.data(), together.size() * 4) == 0);
}

/// What a chunk attends to, after it was compared with single tokens and other teams, and with wanted ones.
std::vector<float> check(const Isa &isa, const Shape &shape) {
  CAPTURE(isa.name);
  CAPTURE(shape.width);
  CAPTURE(shape.queryHeads);
  CAPTURE(shape.window);
  CAPTURE(shape.softcap);
  CAPTURE(shape.hasSinks);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  KernelModule module;
  addAttend(module, isa, shape);
  module.compile(isa);
  auto *chunk = reinterpret_cast<AttendFn *>(module.lookup("chunk"));
  Caches caches(shape, 3, 300, random);
  Batch batch({0, 250, 127}, {37, 1, 20});
  size_t rowFloats = shape.queryHeads * shape.width;
  std::vector<float> query(batch.positions.size() * rowFloats);
  for (float &value : query)
    value = 2 * normal(random);
  std::vector<float> together = run(chunk, batch.call(caches.views.data()), query.data(), shape, 1);
  CHECK(errorOf(caches, batch, query.data(), together) < (shape.isHalf ? 1e-4 : 0.03)); // nothing but rows is rounded
  std::vector<float> byTwo = run(chunk, batch.call(caches.views.data()), query.data(), shape, 2);
  CHECK(std::memcmp(together.data(), byTwo.data(), together.size() * 4) == 0);
  checkParts(chunk, caches, random);
  checkSingles(module, caches, batch, query, together, {1, 2, 3});
  Batch ofOne({5, 250, 130}, {1, 1, 1});
  for (uint32_t members : {1, 2, 4})
    checkSingles(module, caches, ofOne, query,
                 run(chunk, ofOne.call(caches.views.data()), query.data(), shape, members), {1});
  checkWanted(module, caches, batch, query, together);
  checkUnseen(chunk, caches, batch, query, together);
  return together;
}
} // namespace

TEST_CASE("attention has the same bits in a chunk, alone, and on any team") {
  for (const Shape &shape :
       {Shape{9, 3, 64}, Shape{4, 4, 80}, Shape{8, 1, 128}, Shape{2, 1, 96}, Shape{5, 1, 256}, Shape{7, 1, 64},
        Shape{9, 3, 64, true}, Shape{2, 1, 80, true}, Shape{6, 1, 64, true},
        // Windows of a row, of parts of a partition, of little more, of more than there is.
        Shape{9, 3, 64, false, 1}, Shape{4, 2, 32, false, 8}, Shape{8, 1, 128, false, 129}, Shape{2, 1, 96, false, 163},
        Shape{4, 2, 48, false, 1000}, Shape{6, 1, 64, true, 8}, Shape{9, 3, 64, false, 0, 2},
        Shape{4, 2, 80, true, 163, 50}, Shape{8, 2, 64, false, 0, 0, true}, Shape{4, 4, 32, true, 129, 0, true},
        Shape{4, 1, 96, false, 8, 2, true}}) {
    std::vector<float> expected;
    for (const Isa &isa : testedIsas({.bf16 = !shape.isHalf})) {
      std::vector<float> result = check(isa, shape);
      if (expected.empty())
        expected = result;
      // How a machine rounds within vdpbf16ps is its own affair: it may differ from two fused steps.
      else if (isa.multipliesPairs() && !isa.isEmulated)
        WARN(result == expected);
      else
        CHECK(result == expected);
    }
  }
}
