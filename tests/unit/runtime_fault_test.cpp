// SPDX-License-Identifier: MIT
// Calls that fail, at every place where they can: the states are then as before, to the bit, and the next call gives
// what it gives where nothing failed. A batch of two conversations, with windows and a register, one of them a branch
// whose last block is shared; prompts of several executes.
#include "tests/unit/toy/faults.h"
#include "tests/unit/toy/sliding_model.h"
#include "tests/unit/toy/snapshot.h"

#include <doctest/doctest.h>
#include <functional>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

using Ids = std::vector<int32_t>;

Ids idsOf(size_t count, int32_t seed) {
  Ids ids(count);
  for (size_t i = 0; i < count; ++i)
    ids[i] = static_cast<int32_t>((i * 7 + i * i + seed) % SLIDING_VOCABULARY);
  return ids;
}

/// Two conversations and the call that they wait for.
struct Scene {
  explicit Scene(uint32_t threads, const kv_plugin *plugin = nullptr) : model(makeSlidingModel(threads, plugin)) {
    root = model->makeState(0);
    run({root.get()}, {200}, idsOf(200, 1));
    first = root->fork();
    second = model->makeState(500);
    run({second.get()}, {30}, idsOf(30, 2));
  }

  std::vector<float> run(const std::vector<State *> &states, const std::vector<uint64_t> &counts, const Ids &ids,
                         const CancelFlag *cancel = nullptr) {
    CallRequest request;
    request.states = states;
    request.counts = counts;
    request.cancel = cancel;
    std::vector<float> logits(states.size() * SLIDING_VOCABULARY);
    predict(*model, request, ids, logits.data());
    return logits;
  }

  /// 70 new tokens for one, 50 for the other: three executes, and the first conversation's window lets blocks go.
  std::vector<float> call(const CancelFlag *cancel = nullptr) {
    return run({first.get(), second.get()}, {70, 50}, idsOf(120, 3), cancel);
  }

  std::vector<Snapshot> snapshots() const { return {snapshotOf(*root), snapshotOf(*first), snapshotOf(*second)}; }
  auto places() const { return std::vector{placesOf(*root), placesOf(*first), placesOf(*second)}; }

  std::shared_ptr<Model> model;
  std::unique_ptr<State> root, first, second;
};

/// What the call does where nothing fails.
struct Undisturbed {
  Undisturbed() {
    Scene scene(1);
    logits = scene.call();
    snapshots = scene.snapshots();
  }
  std::vector<float> logits;
  std::vector<Snapshot> snapshots;
};

/// The scene as it was before a call that fails.
class Before {
public:
  explicit Before(const Scene &scene) : snapshots(scene.snapshots()), places(scene.places()) {}

  /// Nothing has changed, and the call works.
  void check(Scene &scene) const {
    static const Undisturbed undisturbed;
    CHECK(scene.snapshots() == snapshots);
    CHECK(scene.places() == places);
    CHECK(scene.call() == undisturbed.logits);
    CHECK(scene.snapshots() == undisturbed.snapshots);
  }

private:
  std::vector<Snapshot> snapshots;
  std::vector<std::vector<std::vector<const uint8_t *>>> places;
};

template <typename Body> kv_status statusOf(Body body) {
  try {
    body();
  } catch (const Error &error) {
    return error.status();
  } catch (const std::bad_alloc &) {
    return KV_OUT_OF_MEMORY;
  }
  return KV_OK;
}

/// Runs `attempt` with its first allocation failing, then its second, and so on, each on what `begin` makes, until it
/// has fewer; `after` looks at each that failed. How many there are.
template <typename Begin, typename Attempt, typename After>
uint64_t withoutMemory(FailureKind kind, Begin begin, Attempt attempt, After after) {
  for (uint64_t number = 1;; ++number) {
    auto scene = begin(number);
    const Before before(*scene);
    failAllocations(number, kind);
    const kv_status status = statusOf([&] { attempt(*scene); });
    if (allowAllocations() < number)
      return number - 1;
    CHECK(status == KV_OUT_OF_MEMORY);
    after(*scene, before);
    REQUIRE(number < 1000);
  }
}

auto makeScene(uint64_t number) { return std::make_unique<Scene>(number % 8 == 0 ? 2 : 1); }

} // namespace

TEST_CASE("a call that finds no memory for any one of its allocations changes nothing") {
  for (const FailureKind kind : {FailureKind::once, FailureKind::fromThenOn}) {
    const uint64_t count = withoutMemory(
        kind, makeScene, [](Scene &scene) { scene.call(); },
        [](Scene &scene, const Before &before) { before.check(scene); });
    CHECK(count > 50);
  }
}

TEST_CASE("so do fork, checkpoint and write") {
  const std::vector<float> rows(2 * 150, 1.0f);
  const std::function<void(Scene &)> attempts[] = {
      [](Scene &scene) { scene.first->fork(); }, [](Scene &scene) { scene.first->checkpoint(); },
      [&](Scene &scene) { writeRows(*scene.first, 0, 0, 50, 150, rows.data()); }};
  for (const auto &attempt : attempts) {
    const uint64_t count = withoutMemory(FailureKind::once, makeScene, attempt,
                                         [](Scene &scene, const Before &before) { before.check(scene); });
    CHECK(count > 0);
  }
}

TEST_CASE("truncate, reset and giving a state back need no memory") {
  Scene scene(1);
  scene.call();
  failAllocations(1, FailureKind::fromThenOn);
  scene.second->truncate(30);
  scene.first->reset();
  scene.root = nullptr;
  CHECK(allowAllocations() == 0);
}

TEST_CASE("a call that is cancelled at any barrier changes nothing") {
  FaultyPlugin counted(slidingPlugin());
  {
    Scene scene(1, &counted.table);
    counted.numBarriers = 0;
    scene.call();
  }
  const uint64_t count = counted.numBarriers;
  CHECK(count >= 12);
  for (uint64_t number = 1; number <= count; ++number) {
    FaultyPlugin plugin(slidingPlugin());
    Scene scene(1 + number % 2, &plugin.table);
    const Before before(scene);
    plugin.cancelledBarrier = plugin.numBarriers + number;
    CHECK(statusOf([&] { scene.call(&plugin.cancel); }) == KV_CANCELLED);
    before.check(scene);
  }
}

TEST_CASE("a plugin that fails in any prepare, or after any execute wrote all it had to, changes nothing") {
  for (uint64_t number = 1; number <= 3; ++number)
    for (const bool inPrepare : {true, false}) {
      FaultyPlugin plugin(slidingPlugin());
      Scene scene(2, &plugin.table);
      const Before before(scene);
      (inPrepare ? plugin.failingPrepare : plugin.failingExecute) =
          (inPrepare ? plugin.numPrepares : plugin.numExecutes) + number;
      CHECK(statusOf([&] { scene.call(); }) == (inPrepare ? KV_UNSUPPORTED : KV_FAILED));
      before.check(scene);
    }
}

TEST_CASE("a batch whose second conversation is busy, full or has a bad id changes neither") {
  Scene scene(2);
  const Before before(scene);
  {
    const StateLock lock(*scene.second);
    CHECK(statusOf([&] { scene.call(); }) == KV_BUSY);
  }
  const std::vector<State *> both = {scene.first.get(), scene.second.get()};
  CHECK(statusOf([&] { scene.run(both, {1, 471}, idsOf(472, 1)); }) == KV_CAPACITY);
  CHECK(statusOf([&] { scene.run(both, {1, 1}, {1, SLIDING_VOCABULARY}); }) == KV_BAD_INPUT);
  before.check(scene);
}
