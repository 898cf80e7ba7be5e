// SPDX-License-Identifier: MIT
// Does a conversation go on with another plugin of its model?
//
// usage: moving A.kvasir B.kvasir...
//
// From each to each other, at positions around the borders of blocks: what arrives is what left, rounded once to what
// the other plugin stores, by a rounding of this file's own; and going on gives, bit for bit, what the other plugin
// gives after a run of its own into whose rows and registers these numbers were written. Moving back gives what was
// moved.
#include "runtime/api/handles.h" // before kvasir.hpp, whose names are those of what handles hold
#include "runtime/state/rows.h"

#include "tests/models/conversations.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>

using namespace kvasir::test;

namespace {
constexpr uint64_t kPositions[] = {1, 127, 128, 129, 255, 256, 257, 400};
constexpr uint64_t kMore = 5; ///< tokens after the move

/// Everything that a state holds, as f32.
std::vector<float> contentsOf(const kvasir::Model &model, kvasir::State &state) {
  std::vector<float> contents;
  for (const Slot &slot : slotsOf(model))
    for (uint64_t layer = 0; layer < slot.layers; ++layer) {
      const uint64_t first = slot.isRegister ? 0 : state.firstRow(slot.name);
      const std::vector<float> values = contentsOf(slot, layer, state, first);
      contents.insert(contents.end(), values.begin(), values.end());
    }
  return contents;
}

/// To the nearest number with `bits` bits before its exponent, which is a multiple of 2^lowest, ties to even. Exact
/// numbers stay.
float rounded(float value, int bits, int lowest) {
  int exponent;
  std::frexp(value, &exponent);
  const int unit = std::max(exponent - bits, lowest);
  return float(std::ldexp(std::nearbyint(std::ldexp(double(value), -unit)), unit));
}

/// What a slot of this model keeps of a number.
float kept(const Slot &slot, float value) {
  if (slot.element == "f32")
    return value;
  return slot.element == "bf16" ? rounded(value, 8, -133) : rounded(value, 11, -24);
}

/// What should arrive of what `from` holds.
std::vector<float> expectedContents(const kvasir::Model &from, const kvasir::Model &to, kvasir::State &state) {
  std::vector<float> contents;
  for (const Slot &slot : slotsOf(to))
    for (uint64_t layer = 0; layer < slot.layers; ++layer)
      for (const float value : contentsOf(slot, layer, state, slot.isRegister ? 0 : state.firstRow(slot.name)))
        contents.push_back(kept(slot, value));
  return contents;
}

/// Gives a state another value of a register, which a host has no way to.
void writeRegister(kvasir::State &state, const Slot &slot, kvasir::State &from) {
  kvasir::runtime::State &own = *state.get()->state;
  const size_t index = own.slots().find(slot.name);
  auto block = own.slots().pool(index).acquire();
  for (uint64_t layer = 0; layer < slot.layers; ++layer) {
    std::vector<float> values = from.registerValue(slot.name, layer);
    for (float &value : values)
      value = kept(slot, value);
    kvasir::runtime::storeRegister(own.slots()[index], block.bytes(), layer, values.data());
  }
  kvasir::runtime::Contents contents = own.contents();
  contents.tables[index].replace(0, std::move(block));
  own.adopt(own.length(), std::move(contents));
}

/// A state of `to` that ran the same tokens itself, and then got what `from` holds written over its own.
kvasir::State writtenOver(const kvasir::Model &to, const Ids &ids, kvasir::State &from) {
  kvasir::State state = to.makeState();
  to.predict(state, ids, {kvasir::Wanted::none});
  for (const Slot &slot : slotsOf(to))
    if (slot.isRegister)
      writeRegister(state, slot, from);
    else
      for (uint64_t layer = 0; layer < slot.layers; ++layer) {
        const uint64_t first = from.firstRow(slot.name);
        std::vector<float> rows = from.rows(slot.name, layer, first, from.length() - first);
        for (float &value : rows)
          value = kept(slot, value);
        state.write(slot.name, layer, first, rows);
      }
  return state;
}

std::vector<float> goOn(const kvasir::Model &model, kvasir::State &state, const Ids &ids) {
  kvasir::Logits logits = model.predict(state, ids, {kvasir::Wanted::all});
  return {logits.all().begin(), logits.all().end()};
}

int fail(uint64_t position, const char *what) {
  std::printf("at position %llu: %s\n", static_cast<unsigned long long>(position), what);
  return 1;
}

int checkAt(const kvasir::Model &from, const kvasir::Model &to, uint64_t position) {
  const uint64_t vocabulary = from.facts().vocabulary;
  Random random(11);
  const Ids all = randomIds(random, position + kMore, vocabulary);
  const Ids ids(all.begin(), all.begin() + std::ptrdiff_t(position)), more(all.end() - kMore, all.end());
  kvasir::State source = from.makeState();
  from.predict(source, ids, {kvasir::Wanted::none});
  const std::vector<float> before = contentsOf(from, source);

  uint64_t roundedSlots;
  kvasir::State moved = source.moveTo(to, &roundedSlots);
  const std::vector<float> expected = expectedContents(from, to, source);
  int failed = 0;
  if (!isSame(contentsOf(from, source), before))
    failed += fail(position, "the source has changed");
  if (moved.length() != position || moved.ids() != ids)
    failed += fail(position, "other tokens arrived");
  if (!isSame(contentsOf(to, moved), expected))
    failed += fail(position, "other numbers arrived than left, rounded once");
  if (roundedSlots == 0 && !isSame(expected, before))
    failed += fail(position, "numbers were rounded, and nothing said so");

  kvasir::State other = writtenOver(to, ids, source);
  if (!isSame(contentsOf(to, moved), contentsOf(to, other)))
    failed += fail(position, "other numbers arrived than are written");
  kvasir::State back = moved.moveTo(from);
  if (!isSame(contentsOf(from, back), contentsOf(to, moved)))
    failed += fail(position, "moving back gives other numbers"); // both ways through the coarser form
  if (!isSame(goOn(to, moved, more), goOn(to, other, more)) || !isSame(contentsOf(to, moved), contentsOf(to, other)))
    failed += fail(position, "going on differs");
  return failed;
}
} // namespace

int main(int argc, char **argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: moving A.kvasir B.kvasir...\n");
    return 2;
  }
  std::deque<kvasir::Model> models;
  for (int i = 1; i < argc; ++i)
    models.emplace_back(argv[i], kvasir::ModelOptions{1});
  int failed = 0, pairs = 0;
  for (size_t from = 0; from < models.size(); ++from)
    for (size_t to = 0; to < models.size(); ++to) {
      int failedHere = 0;
      for (const uint64_t position : kPositions)
        failedHere += from == to ? 0 : checkAt(models[from], models[to], position);
      pairs += from != to;
      failed += failedHere;
      if (failedHere)
        std::printf("from %s to %s\n", argv[from + 1], argv[to + 1]);
    }
  std::printf("%d ways, %zu positions each: %d failed\n", pairs, std::size(kPositions), failed);
  return failed ? 1 : 0;
} catch (const kvasir::Error &error) {
  std::fprintf(stderr, "moving: %s\n", error.what());
  return 1;
}
