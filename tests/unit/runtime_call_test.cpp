// SPDX-License-Identifier: MIT
#include "runtime/state/rows.h"
#include "tests/unit/failure.h"
#include "tests/unit/toy/toy_model.h"

#include <cstring>
#include <doctest/doctest.h>
#include <random>
#include <thread>

using namespace kvasir;
using namespace kvasir::runtime;
using kvasir::test::failureOf;

namespace {

/// Rows of `cuts` random pieces that together are `total`.
std::vector<size_t> randomPieces(size_t total, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<size_t> pieces;
  while (total > 0) {
    pieces.push_back(std::min<size_t>(total, 1 + random() % 120));
    total -= pieces.back();
  }
  return pieces;
}

float counted(const State &state) { return *reinterpret_cast<const float *>(state.table(2)[0].bytes()); }

} // namespace

TEST_CASE("a long prompt is several executes in one transaction, and any chunking gives the same") {
  for (const uint32_t threads : {1, 2, 3}) {
    const auto model = makeToyModel(threads);
    const auto ids = toyIds(333, threads);
    for (uint32_t seed = 0; seed < 20; ++seed) {
      const auto state = model->makeState(0);
      std::vector<float> logits;
      size_t first = 0;
      for (const size_t piece : randomPieces(ids.size(), seed)) {
        logits = predictOne(*model, *state, {ids.begin() + first, ids.begin() + first + piece});
        first += piece;
      }
      CHECK(logits == toyLogits(ids));
      CHECK(counted(*state) == 333.0f);
    }
  }
}

TEST_CASE("wanted rows: all, last, none") {
  const auto model = makeToyModel(2);
  const auto state = model->makeState(0);
  const auto ids = toyIds(120, 3);
  const auto all = predictOne(*model, *state, ids, Wanted::all);
  REQUIRE(all.size() == ids.size() * TOY_VOCABULARY);
  for (size_t t = 0; t < ids.size(); ++t) {
    const auto expected = toyLogits({ids.begin(), ids.begin() + t + 1});
    CHECK(std::memcmp(&all[t * TOY_VOCABULARY], expected.data(), expected.size() * sizeof(float)) == 0);
  }
  CHECK(predictOne(*model, *state, {5}, Wanted::none).empty());
  CHECK(state->length() == 121);
}

TEST_CASE("a batch is cut across its sequences, and all of it happens or none") {
  const auto model = makeToyModel(2);
  std::vector<std::unique_ptr<State>> states;
  std::vector<std::vector<int32_t>> texts;
  CallRequest request;
  std::vector<int32_t> ids;
  for (const size_t count : {70, 1, 45, 120}) {
    states.push_back(model->makeState(0));
    texts.push_back(toyIds(count, count));
    request.states.push_back(states.back().get());
    request.counts.push_back(count);
    ids.insert(ids.end(), texts.back().begin(), texts.back().end());
  }
  std::vector<float> logits(4 * TOY_VOCABULARY);
  predict(*model, request, ids, logits.data());
  for (size_t b = 0; b < 4; ++b)
    CHECK(std::vector(&logits[b * TOY_VOCABULARY], &logits[(b + 1) * TOY_VOCABULARY]) == toyLogits(texts[b]));

  ids.back() = TOY_FAILS;
  CHECK(failureOf(KV_FAILED, [&] { predict(*model, request, ids, logits.data()); }) == "no more");
  for (size_t b = 0; b < 4; ++b) {
    CHECK(states[b]->length() == texts[b].size());
    CHECK(counted(*states[b]) == static_cast<float>(texts[b].size()));
    texts[b].push_back(9);
    CHECK(predictOne(*model, *states[b], {9}) == toyLogits(texts[b]));
  }
}

TEST_CASE("bad input is refused before anything runs") {
  const auto model = makeToyModel(1), other = makeToyModel(1);
  const auto state = model->makeState(100), stranger = other->makeState(0);
  CHECK(failureOf(KV_BAD_INPUT, [&] { predictOne(*model, *state, {}); }) == "sequence 0 of the call has no new tokens");
  CHECK(failureOf(KV_BAD_INPUT, [&] { predictOne(*model, *state, {1, 64}); }) ==
        "token 64 at place 1 is outside the vocabulary of 64");
  CHECK(failureOf(KV_BAD_INPUT, [&] { predictOne(*model, *state, {-1}); }) ==
        "token -1 at place 0 is outside the vocabulary of 64");
  CHECK(failureOf(KV_BAD_INPUT, [&] { predictOne(*model, *stranger, {1}); }) ==
        "state 0 of the call belongs to another model");
  CHECK(failureOf(KV_BAD_INPUT, [&] { model->makeState(1001); }) ==
        "a state of 1001 tokens is beyond the model's context of 1000");
  predictOne(*model, *state, toyIds(90, 1));
  CHECK(failureOf(KV_CAPACITY, [&] { predictOne(*model, *state, toyIds(11, 1)); }) ==
        "the state holds 90 of at most 100 tokens; 11 more don't fit");
  CHECK(state->length() == 90);
  CallRequest twice;
  twice.states = {state.get(), state.get()};
  twice.counts = {1, 1};
  CHECK(failureOf(KV_BAD_INPUT, [&] { predict(*model, twice, {1, 1}, nullptr); }) ==
        "state 1 of the call is in it twice");
}

TEST_CASE("a plugin that declares other rows than the call's is stopped before it runs") {
  const auto model = makeToyModel(1);
  const auto state = model->makeState(0);
  const int32_t ids[3] = {1, 2, 3};
  CallRequest request;
  request.function = model->findFunction("declares_less");
  request.states = {state.get()};
  request.counts = {3};
  CHECK(failureOf(KV_FAILED, [&] { callFunction(*model, request, {{"ids", ids, ElementType::i32, {3}}}); }) ==
        "function declares_less would write rows [0, 2) of slot k; this call's rows are [0, 3)");
}

TEST_CASE("functions are called by name, with tensors by name; one that writes nothing adds nothing") {
  const auto model = makeToyModel(2);
  const auto state = model->makeState(0);
  const int32_t ids[3] = {1, 2, 3};
  CallRequest request;
  request.states = {state.get()};
  request.counts = {3};
  const auto outputs = callFunction(*model, request, {{"ids", ids, ElementType::i32, {3}}}).outputs;
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0].dims == std::vector<uint64_t>{1, TOY_VOCABULARY});
  CHECK(std::memcmp(outputs[0].bytes.data(), toyLogits({1, 2, 3}).data(), outputs[0].bytes.size()) == 0);

  request.function = model->findFunction("read");
  request.counts = {1};
  CHECK(*reinterpret_cast<const float *>(callFunction(*model, request, {}).outputs[0].bytes.data()) == 3.0f);
  CHECK(state->length() == 3);

  request.function = 0;
  CHECK(failureOf(KV_BAD_INPUT, [&] { callFunction(*model, request, {}); }) == "input 'ids' is missing");
  CHECK(failureOf(KV_BAD_INPUT, [&] { callFunction(*model, request, {{"ids", ids, ElementType::i32, {3}}}); }) ==
        "input 'ids' is i32[3]; the call needs i32[1]");
  CHECK(failureOf(KV_BAD_INPUT, [&] { model->findFunction("x"); }) ==
        "no function is called 'x'; there are forward, declares_less, read");
}

TEST_CASE("a cancelled call leaves its state as it was") {
  for (const uint32_t threads : {1, 2}) {
    const auto model = makeToyModel(threads);
    const auto state = model->makeState(0);
    predictOne(*model, *state, {1, 2});
    CancelFlag cancel{false};
    std::thread caller([&] {
      auto ids = toyIds(80, 1);
      ids.back() = TOY_WAITS;
      // Busy while the other thread looks; in the end cancelled after 0 or 50 tokens, by who is faster.
      kv_status status = KV_BUSY;
      while (status == KV_BUSY)
        try {
          predictOne(*model, *state, ids, Wanted::last, &cancel);
          status = KV_OK;
        } catch (const Error &error) {
          status = error.status();
          CHECK((status == KV_BUSY || std::string(error.what()).ends_with("0 of 80 tokens; the states are as before")));
        }
      CHECK(status == KV_CANCELLED);
    });
    // The call never ends by itself: some time it has begun.
    while (failureOf(KV_BUSY, [&] { StateLock lock(*state); }) != "another call is running on this state")
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(state->length() == 2);
    cancel = true;
    caller.join();
    CHECK(state->length() == 2);
    CHECK(predictOne(*model, *state, {3}) == toyLogits({1, 2, 3}));
  }
}

TEST_CASE("different states run from different threads on one team") {
  const auto model = makeToyModel(2);
  std::vector<std::thread> callers;
  for (uint32_t caller = 0; caller < 4; ++caller)
    callers.emplace_back([&, caller] {
      const auto state = model->makeState(0);
      std::vector<int32_t> held;
      for (uint32_t step = 0; step < 25; ++step) {
        const auto ids = toyIds(1 + (step * 7 + caller) % 60, step);
        held.insert(held.end(), ids.begin(), ids.end());
        if (held.size() > TOY_CONTEXT)
          break;
        CHECK(predictOne(*model, *state, ids) == toyLogits(held));
      }
    });
  for (std::thread &caller : callers)
    caller.join();
}

TEST_CASE("a step whose members were late before runs on fewer, with the same result; others stay whole") {
  static const kv_plugin *toy;
  static uint32_t numMembers;
  const auto spy = [](Program &program) {
    static kv_plugin watched;
    toy = program.plugin;
    watched = *toy;
    watched.prepare = [](const kv_plugin *, const kv_call *call, kv_plan *plan) {
      return toy->prepare(toy, call, plan);
    };
    watched.execute = [](const kv_plugin *, const kv_call *call, uint32_t member) {
      if (member == 0)
        numMembers = call->team->members;
      return toy->execute(toy, call, member);
    };
    program.plugin = &watched;
  };
  const auto beLate = [](Model &model) {
    Model::Turn turn(model);
    TeamSize *const size = turn.teamSize(model.predictFunction(), 1);
    if (size)
      for (int step = 0; step < 10; ++step)
        size->record(0.01, 0.005);
    return size != nullptr;
  };
  const auto ids = toyIds(3, 1);
  const auto adaptive = makeToyModel(2, spy, TeamUse::adapts);
  // No step of one token before: one that this machine disturbs would be judged with those that are made up.
  CHECK(beLate(*adaptive));
  const auto state = adaptive->makeState(0);
  predictOne(*adaptive, *state, {ids[0]});
  CHECK(numMembers == 1);
  predictOne(*adaptive, *state, {ids[1]});
  CHECK(predictOne(*adaptive, *state, {ids[2]}) == toyLogits(ids));
  predictOne(*adaptive, *state, ids);
  CHECK(numMembers == 2);
  CHECK(!beLate(*makeToyModel(2)));
  const auto variable =
      makeToyModel(2, [](Program &program) { program.description.numerics.invariant = false; }, TeamUse::adapts);
  CHECK(!beLate(*variable));
}
