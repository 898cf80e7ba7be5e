// SPDX-License-Identifier: MIT
// Whatever was done to conversations, in whatever order and by however many threads: each is what a fresh run of its
// tokens gives, to the bit. On a model with windows and a register.
#include "tests/unit/toy/sliding_model.h"
#include "tests/unit/toy/snapshot.h"

#include <doctest/doctest.h>
#include <mutex>
#include <random>
#include <thread>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

using Ids = std::vector<int32_t>;
using Random = std::mt19937;
using StatePtr = std::shared_ptr<State>;

size_t below(Random &random, size_t limit) { return random() % limit; }

Ids randomIds(Random &random, size_t most) {
  Ids ids(1 + below(random, most));
  for (int32_t &id : ids)
    id = static_cast<int32_t>(below(random, SLIDING_VOCABULARY));
  return ids;
}

std::vector<float> append(Model &model, const std::vector<State *> &states, const std::vector<Ids> &texts) {
  CallRequest request;
  request.states = states;
  Ids ids;
  for (const Ids &text : texts) {
    request.counts.push_back(text.size());
    ids.insert(ids.end(), text.begin(), text.end());
  }
  std::vector<float> logits(states.size() * SLIDING_VOCABULARY);
  predict(model, request, ids, logits.data());
  return logits;
}

/// Is the state what its tokens make of an empty one, as far as both hold it? What it holds may be less: blocks that a
/// longer text let go do not come back.
void checkAgainstFresh(Model &model, State &state) {
  const Snapshot given = snapshotOf(state);
  if (given.length == 0)
    return;
  const auto fresh = model.makeState(0);
  append(model, {fresh.get()}, {given.ids});
  for (const uint64_t slot : {0, 1}) {
    const SlotDescription &description = state.slots()[slot];
    const uint64_t first = std::max(state.firstHeldRow(slot), fresh->firstHeldRow(slot));
    std::vector<float> rows((given.length - first) * rowElements(description)), expected(rows.size());
    for (uint64_t layer = 0; layer < description.layers; ++layer) {
      readRows(state, slot, layer, first, given.length - first, rows.data());
      readRows(*fresh, slot, layer, first, given.length - first, expected.data());
      CHECK(rows == expected);
    }
  }
  for (const uint64_t layer : {0, 1}) {
    float value[2], expected[2];
    readRegister(state, 2, layer, value);
    readRegister(*fresh, 2, layer, expected);
    CHECK(value[0] == expected[0]);
    CHECK(value[1] == expected[1]);
  }
  if (given.length < state.capacity())
    CHECK(append(model, {&state}, {{5}}) == append(model, {fresh.get()}, {{5}}));
}

/// Somewhere between the last block's worth of tokens and the end, or where a checkpoint lets it.
void truncateSomewhere(Random &random, State &state) {
  const uint64_t length = state.length(), most = below(random, 8) ? std::min<uint64_t>(length, 150) : length;
  state.truncate(state.longestLegalLength(length - below(random, most + 1)));
}

/// Conversations that several threads work on at once. They hold their places, not the states: a fork takes the place
/// of another one.
class Shared {
public:
  explicit Shared(Model &model) : model(model) {
    for (StatePtr &state : states)
      state = model.makeState(400);
  }

  StatePtr at(size_t place) {
    const std::lock_guard lock(mutex);
    return states[place];
  }
  void put(size_t place, StatePtr state) {
    const std::lock_guard lock(mutex);
    states[place] = std::move(state);
  }
  static constexpr size_t size() { return kNumStates; }

  /// One random operation. Another thread may be on the state, and it may be full.
  void work(Random &random) {
    const StatePtr state = at(below(random, size())), other = at(below(random, size()));
    const size_t kind = below(random, 16);
    if (kind < 6)
      append(model, {state.get()}, {randomIds(random, 12)});
    else if (kind < 8 && state != other)
      append(model, {state.get(), other.get()}, {randomIds(random, 50), randomIds(random, 3)});
    else
      lookOrUndo(random, *state, kind);
  }

private:
  void lookOrUndo(Random &random, State &state, size_t kind) {
    const StateLock lock(state);
    if (kind < 11)
      put(below(random, size()), state.fork());
    else if (kind < 14)
      truncateSomewhere(random, state);
    else if (kind == 14)
      below(random, 4) ? state.checkpoint() : state.reset();
    else
      snapshotOf(state);
  }

  static constexpr size_t kNumStates = 12;
  Model &model;
  std::mutex mutex;
  StatePtr states[kNumStates];
};

} // namespace

TEST_CASE("200 random trees of fork, truncate and append are what fresh runs give") {
  const auto model = makeSlidingModel(1);
  for (uint32_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    std::vector<StatePtr> branches{model->makeState(0)};
    for (int step = 0; step < 20; ++step) {
      const StatePtr state = branches[below(random, branches.size())];
      const size_t kind = below(random, 8);
      if (kind < 5)
        append(*model, {state.get()}, {randomIds(random, below(random, 4) ? 8 : 90)});
      else if (kind == 5)
        branches.push_back(state->fork());
      else if (kind == 6)
        truncateSomewhere(random, *state);
      else
        state->checkpoint();
    }
    for (const StatePtr &state : branches)
      checkAgainstFresh(*model, *state);
  }
}

TEST_CASE("8 threads, 1000 operations each on the same conversations") {
  const auto model = makeSlidingModel(1);
  Shared shared(*model);
  std::atomic<uint64_t> numDone{0};
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 8; ++seed)
    threads.emplace_back([&, seed] {
      Random random(seed);
      for (int i = 0; i < 1000; ++i)
        try {
          shared.work(random);
          ++numDone;
        } catch (const Error &error) {
          if (error.status() != KV_BUSY && error.status() != KV_CAPACITY)
            FAIL(error.what());
        }
    });
  for (std::thread &thread : threads)
    thread.join();
  MESSAGE(numDone.load() << " of 8000 operations found their states free");
  CHECK(numDone > 1000);
  for (size_t place = 0; place < shared.size(); ++place)
    checkAgainstFresh(*model, *shared.at(place));
}
