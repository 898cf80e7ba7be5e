// SPDX-License-Identifier: MIT
// Does a conversation go on with another plugin of its model?
//
// usage: moving FROM.kvasir TO.kvasir
//
// At positions around the borders of blocks: the rows that arrive are those that left, rounded once where the other
// plugin stores fewer bits; and going on gives, bit for bit, what the other plugin gives after these rows were written
// into a state of its own. Moving back gives what was moved. Rows of a model with registers arrive with its registers;
// what goes on from them is compared with a second move.
#include "tests/models/conversations.h"

#include <cstdio>

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

/// A state of `to` that ran the same tokens itself, and then got the rows of `from` written over its own.
kvasir::State writtenOver(const kvasir::Model &to, const Ids &ids, kvasir::State &from) {
  kvasir::State state = to.makeState();
  to.predict(state, ids, {kvasir::Wanted::none});
  for (const Slot &slot : slotsOf(to))
    for (uint64_t layer = 0; layer < slot.layers && !slot.isRegister; ++layer) {
      const uint64_t first = from.firstRow(slot.name);
      state.write(slot.name, layer, first, from.rows(slot.name, layer, first, from.length() - first));
    }
  return state;
}

std::vector<float> goOn(const kvasir::Model &model, kvasir::State &state, const Ids &ids) {
  kvasir::Logits logits = model.predict(state, ids, {kvasir::Wanted::all});
  return {logits.all().begin(), logits.all().end()};
}

bool hasRegisters(const kvasir::Model &model) {
  for (const Slot &slot : slotsOf(model))
    if (slot.isRegister)
      return true;
  return false;
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
  int failed = 0;
  if (!isSame(contentsOf(from, source), before))
    failed += fail(position, "the source has changed");
  if (moved.length() != position || moved.ids() != ids)
    failed += fail(position, "other tokens arrived");
  if (roundedSlots == 0 && !isSame(contentsOf(to, moved), before))
    failed += fail(position, "other numbers arrived, and nothing was to be rounded");

  kvasir::State other = hasRegisters(to) ? source.moveTo(to) : writtenOver(to, ids, source);
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
  if (argc != 3) {
    std::fprintf(stderr, "usage: moving FROM.kvasir TO.kvasir\n");
    return 2;
  }
  const kvasir::Model from(argv[1], {1}), to(argv[2], {1});
  int failed = 0;
  for (const uint64_t position : kPositions)
    failed += checkAt(from, to, position);
  std::printf("%zu positions: %d failed\n", std::size(kPositions), failed);
  return failed ? 1 : 0;
} catch (const kvasir::Error &error) {
  std::fprintf(stderr, "moving: %s\n", error.what());
  return 1;
}
