// SPDX-License-Identifier: MIT
// Calls of a function in two forms that fail, at every place where they can: rows and registers are then as before, on
// their sides, and the next call gives what it gives where nothing failed.
#include "tests/unit/toy/faults.h"
#include "tests/unit/toy/snapshot.h"
#include "tests/unit/toy/two_form_model.h"

#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

/// A state of 140 rows, of which a fork shares the blocks, and stale rows behind them.
struct Scene {
  explicit Scene(const kv_plugin *plugin = nullptr) : model(makeTwoFormModel(1, plugin)), state(model->makeState(0)) {
    add(0, 150);
    add(139, 1);
    fork = state->fork();
  }

  /// `count` tokens from row `start` on; a wrong mask asks for the opaque form.
  std::vector<uint8_t> add(int32_t start, uint64_t count, bool isCausal = true, const CancelFlag *cancel = nullptr) {
    const std::vector<int32_t> ids(count, 5);
    std::vector<float> mask(count * TWO_FORM_ROWS);
    for (uint64_t i = 0; i < mask.size(); ++i)
      mask[i] = isCausal && i % TWO_FORM_ROWS > start + i / TWO_FORM_ROWS ? -1e5f : 0;
    CallRequest request;
    request.function = model->findFunction("add");
    request.states = {state.get()};
    request.counts = {0};
    request.cancel = cancel;
    CallResult result = callFunction(*model, request,
                                     {{"ids", ids.data(), ElementType::i32, {1, count}},
                                      {"pos", &start, ElementType::i32, {1}},
                                      {"mask", mask.data(), ElementType::f32, {count, TWO_FORM_ROWS}}});
    CHECK(result.form == (isCausal ? Form::raised : Form::opaque));
    return std::move(result.outputs[0].bytes); // a copy would be an allocation after the call
  }

  std::pair<Snapshot, Snapshot> snapshots() const { return {snapshotOf(*state), snapshotOf(*fork)}; }

  std::shared_ptr<Model> model;
  std::unique_ptr<State> state, fork;
};

/// A call: on from the last row, back to an earlier one, on to rows that only the register has, and the opaque form.
struct Call {
  int32_t start;
  uint64_t count;
  bool isCausal;
};

constexpr Call kCalls[] = {{140, 3, true}, {100, 2, true}, {200, 20, true}, {140, 1, false}};

kv_status statusOf(Scene &scene, const Call &call, const CancelFlag *cancel = nullptr) {
  try {
    scene.add(call.start, call.count, call.isCausal, cancel);
  } catch (const Error &error) {
    return error.status();
  } catch (const std::bad_alloc &) {
    return KV_OUT_OF_MEMORY;
  }
  return KV_OK;
}

/// What a call gives and leaves where nothing fails.
struct Undisturbed {
  explicit Undisturbed(const Call &call) : call(call) {
    Scene scene;
    before = scene.snapshots();
    output = scene.add(call.start, call.count, call.isCausal);
    after = scene.snapshots();
  }

  /// Nothing has changed, and the call works.
  void check(Scene &scene) const {
    CHECK(scene.snapshots() == before);
    CHECK(scene.add(call.start, call.count, call.isCausal) == output);
    CHECK(scene.snapshots() == after);
  }

  const Call call;
  std::pair<Snapshot, Snapshot> before, after;
  std::vector<uint8_t> output;
};

} // namespace

TEST_CASE("a call in either form that finds no memory for any one of its allocations changes nothing") {
  for (const Call &call : kCalls) {
    const Undisturbed undisturbed(call);
    for (const FailureKind kind : {FailureKind::once, FailureKind::fromThenOn})
      for (uint64_t number = 1;; ++number) {
        Scene scene;
        failAllocations(number, kind);
        const kv_status status = statusOf(scene, call);
        if (allowAllocations() < number) {
          CHECK(number > 10);
          break;
        }
        CHECK(status == KV_OUT_OF_MEMORY);
        undisturbed.check(scene);
        REQUIRE(number < 1000);
      }
  }
}

TEST_CASE("a call in either form that is cancelled at any barrier, or fails in the end, changes nothing") {
  for (const Call &call : kCalls) {
    const Undisturbed undisturbed(call);
    for (uint64_t number = 0; number <= call.count + 1; ++number) {
      FaultyPlugin plugin(twoFormPlugin());
      Scene scene(&plugin.table);
      (number ? plugin.cancelledBarrier : plugin.failingExecute) =
          number ? plugin.numBarriers + number : plugin.numExecutes + 1;
      CHECK(statusOf(scene, call, &plugin.cancel) == (number ? KV_CANCELLED : KV_FAILED));
      plugin.cancel = false;
      undisturbed.check(scene);
    }
  }
}
