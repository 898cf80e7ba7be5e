// SPDX-License-Identifier: MIT
// What a plan says is what is then used.
#include "runtime/model/plan.h"
#include "tests/unit/toy/toy_model.h"

#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

/// A toy model with larger blocks, so that they do not come several at a time, and a window over its values.
std::shared_ptr<Model> makePlanned(uint64_t windowTokens, uint32_t threads) {
  return makeToyModel(threads, [&](Program &program) {
    auto &slots = program.description.slots;
    slots[0].layout.sizeBytes = 300000;
    slots[1].layout.sizeBytes = 200000;
    slots[1].windowTokens = windowTokens;
  });
}

bool isNear(uint64_t planned, uint64_t used) { return planned * 100 >= used * 95 && planned * 100 <= used * 105; }

/// Fills `batch` sequences to one less than the context in one call, and adds a token to each.
void fill(Model &model, uint64_t context, uint64_t batch) {
  std::vector<std::unique_ptr<State>> states;
  CallRequest request;
  for (uint64_t i = 0; i < batch; ++i) {
    states.push_back(model.makeState(0));
    request.states.push_back(states.back().get());
  }
  std::vector<float> logits(batch * TOY_VOCABULARY);
  if (context > 1) {
    request.counts.assign(batch, context - 1);
    predict(model, request, toyIds(batch * (context - 1), 1), logits.data());
  }
  request.counts.assign(batch, 1);
  predict(model, request, toyIds(batch, 2), logits.data());
}

} // namespace

TEST_CASE("slots, ids and scratch: planned and used") {
  struct {
    uint64_t context, batch, window;
    uint32_t threads;
  } shapes[] = {{1, 1, 0, 1},     {128, 1, 0, 1},   {129, 1, 0, 2},  {1000, 1, 0, 1}, {1000, 1, 40, 1},
                {1000, 7, 40, 1}, {500, 3, 300, 2}, {129, 60, 0, 1}, {40, 120, 0, 1}, {900, 2, 128, 1}};
  for (const auto &shape : shapes) {
    CAPTURE(shape.context);
    CAPTURE(shape.batch);
    CAPTURE(shape.window);
    const auto model = makePlanned(shape.window, shape.threads);
    const MemoryPlan plan = planMemory(*model, shape.context, shape.batch);
    CHECK(Model::Turn(*model).scratch().sizeBytes() == 0);
    CHECK(model->slots()->pool(0).numBlocks() == 0);
    fill(*model, shape.context, shape.batch);
    const Slots &slots = *model->slots();
    for (size_t slot = 0; slot < slots.size(); ++slot) {
      CAPTURE(slot);
      CHECK(isNear(plan.slotBytes[slot], slots.pool(slot).bytesFor(slots.pool(slot).numBlocks())));
    }
    CHECK(isNear(plan.idBytes, slots.pool(slots.idTable()).bytesFor(slots.pool(slots.idTable()).numBlocks())));
    CHECK(
        isNear(std::max(plan.prefillScratchBytes, plan.decodeScratchBytes), Model::Turn(*model).scratch().sizeBytes()));
  }
}

TEST_CASE("what can't be planned is refused") {
  const auto model = makePlanned(0, 1);
  CHECK_THROWS_AS(planMemory(*model, TOY_CONTEXT + 1, 1), Error);
  CHECK_THROWS_AS(planMemory(*model, 10, 0), Error);
  CHECK(planMemory(*model, 0, 1).slotBytes == planMemory(*model, TOY_CONTEXT, 1).slotBytes);
}
