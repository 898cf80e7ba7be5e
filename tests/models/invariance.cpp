// SPDX-License-Identifier: MIT
// Does a compiled model give the same bits however its tokens come?
//
// usage: invariance MODEL.kvasir TOKENS
//
// One chunk on one thread is compared with: token by token; 20 random chunkings; on two threads; in a batch of four
// with conversations of other lengths. Compared are the logits of every token and every row of every cache, every
// register. States are made of memory that earlier ones left their rows in. Of a slot with a window only the rows that
// it keeps are compared.
#include "tests/models/conversations.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>

using namespace kvasir::test;

namespace {
/// Everything that a conversation leaves behind.
struct Trace {
  std::vector<float> logits; // [T, V]
  std::vector<float> rows;   // of each slot and layer; registers' values, too
};

/// The first row that a state of `length` tokens keeps of a slot.
uint64_t firstKept(const Slot &slot, uint64_t length) {
  return slot.window && length >= slot.window ? length - slot.window + 1 : 0;
}

/// How many of the tokens that are left come next.
using Chunker = std::function<size_t(size_t left)>;

class Conversation {
public:
  Conversation(const kvasir::Model &model, const Ids &ids) : model(model), ids(ids), state(model.makeState()) {}

  bool isDone() const { return position == ids.size(); }

  std::span<const int32_t> next(size_t count) {
    std::span<const int32_t> chunk = std::span(ids).subspan(position, count);
    position += count;
    return chunk;
  }

  size_t left() const { return ids.size() - position; }

  void keep(const kvasir::Logits &logits, size_t first, size_t count) {
    for (size_t row = first; row < first + count; ++row)
      trace.logits.insert(trace.logits.end(), logits[row].begin(), logits[row].end());
  }

  Trace finish() {
    for (const Slot &slot : slotsOf(model))
      for (uint64_t layer = 0; layer < slot.layers; ++layer) {
        const std::vector<float> held = contentsOf(slot, layer, state, firstKept(slot, ids.size()));
        trace.rows.insert(trace.rows.end(), held.begin(), held.end());
      }
    return std::move(trace);
  }

  const kvasir::Model &model;
  const Ids &ids;
  kvasir::State state;

private:
  size_t position = 0;
  Trace trace;
};

/// Leaves rows of another text in memory that is free again.
void dirty(const kvasir::Model &model, Random &random, size_t tokens) {
  kvasir::State state = model.makeState();
  model.predict(state, randomIds(random, tokens, model.facts().vocabulary));
}

Trace runAlone(const kvasir::Model &model, const Ids &ids, const Chunker &chunker) {
  Conversation conversation(model, ids);
  while (!conversation.isDone()) {
    std::span<const int32_t> chunk = conversation.next(chunker(conversation.left()));
    conversation.keep(model.predict(conversation.state, chunk, {kvasir::Wanted::all}), 0, chunk.size());
  }
  return conversation.finish();
}

/// The conversation is the third of four; the others go on with random tokens, one each call at times.
Trace runAmongOthers(const kvasir::Model &model, const Ids &ids, Random &random, const Chunker &chunker) {
  Conversation conversation(model, ids);
  std::vector<kvasir::State> others;
  for (int i = 0; i < 3; ++i)
    others.push_back(model.makeState());
  while (!conversation.isDone()) {
    std::vector<Ids> noise;
    for (int i = 0; i < 3; ++i) {
      noise.push_back(randomIds(random, randomSize(random, 1, i == 0 ? 1 : 9), model.facts().vocabulary));
      if (others[i].length() + noise[i].size() > others[i].capacity())
        others[i].reset();
    }
    std::span<const int32_t> chunk = conversation.next(chunker(conversation.left()));
    kvasir::Logits logits = model.predict(
        {{others[0], noise[0]}, {others[1], noise[1]}, {conversation.state, chunk}, {others[2], noise[2]}},
        {kvasir::Wanted::all});
    conversation.keep(logits, noise[0].size() + noise[1].size(), chunk.size());
  }
  return conversation.finish();
}

/// The first index at which the bits differ.
std::optional<size_t> findDifference(const std::vector<float> &a, const std::vector<float> &b) {
  if (a.size() != b.size())
    return std::min(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof a[i]))
      return i;
  return std::nullopt;
}

class Comparison {
public:
  Comparison(Trace expected, uint64_t vocabulary) : expected(std::move(expected)), vocabulary(vocabulary) {}

  void check(const std::string &name, const Trace &trace) {
    std::optional<size_t> logit = findDifference(expected.logits, trace.logits);
    std::optional<size_t> row = findDifference(expected.rows, trace.rows);
    if (!logit && !row)
      return;
    ++numFailed;
    std::printf("%s: differs from one chunk on one thread", name.c_str());
    if (logit)
      std::printf(", first in logit %zu of token %zu", size_t(*logit % vocabulary), size_t(*logit / vocabulary));
    if (row)
      std::printf(", in number %zu of the state's rows", *row);
    std::printf("\n");
  }

  int failed() const { return numFailed; }
  size_t numLogits() const { return expected.logits.size(); }
  size_t numRows() const { return expected.rows.size(); }

private:
  Trace expected;
  uint64_t vocabulary;
  int numFailed = 0;
};

int compare(const char *path, size_t tokens) {
  constexpr int kChunkings = 20;
  Random random(7);
  kvasir::Model single(path, {1}), pair(path, {2});
  const uint64_t vocabulary = single.facts().vocabulary;
  const Ids ids = randomIds(random, tokens, vocabulary);
  auto whole = [](size_t left) { return left; };
  auto one = [](size_t) { return size_t(1); };
  auto some = [&](size_t left) { return std::min(left, randomSize(random, 1, randomSize(random, 1, 150))); };
  Comparison comparison(runAlone(single, ids, whole), vocabulary);
  for (auto [model, name] : {std::pair(&single, "1 thread"), std::pair(&pair, "2 threads")}) {
    dirty(*model, random, tokens);
    comparison.check(std::string("one chunk, ") + name, runAlone(*model, ids, whole));
    comparison.check(std::string("token by token, ") + name, runAlone(*model, ids, one));
    for (int i = 0; i < kChunkings / 2; ++i)
      comparison.check("chunking " + std::to_string(i) + ", " + name, runAlone(*model, ids, some));
    comparison.check(std::string("in a batch, ") + name, runAmongOthers(*model, ids, random, some));
    comparison.check(std::string("token by token in a batch, ") + name, runAmongOthers(*model, ids, random, one));
  }
  std::printf("%zu tokens, %zu logits and %zu numbers of state, run in %d ways: %d differ\n", tokens,
              comparison.numLogits(), comparison.numRows(), 2 * (4 + kChunkings / 2), comparison.failed());
  return comparison.failed() ? 1 : 0;
}
} // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: invariance MODEL.kvasir TOKENS\n");
    return 2;
  }
  try {
    return compare(argv[1], std::stoul(argv[2]));
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "invariance: %s\n", failure.what());
    return 1;
  }
}
