// SPDX-License-Identifier: MIT
// A call that is watched at its barriers: which steps it passed, and that their times are all there is.
#include "runtime/profile/trace.h"
#include "tests/unit/toy/toy_model.h"
#include "tests/unit/toy/toy_plugin.h"

#include "runtime/model/call.h"

#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime;
using profile::ExecuteTimes;
using profile::Trace;

namespace {

std::vector<float> predictOn(Model &model, State &state, const std::vector<int32_t> &ids, Observer *observer) {
  CallRequest request;
  request.states = {&state};
  request.counts = {ids.size()};
  request.wanted = Wanted::all;
  request.observer = observer;
  std::vector<float> logits(ids.size() * TOY_VOCABULARY);
  predict(model, std::move(request), ids, logits.data());
  return logits;
}

} // namespace

TEST_CASE("each step is passed once an execute, and times add up to the execute's") {
  for (const uint32_t threads : {1u, 2u, 3u}) {
    const auto model = makeToyModel(threads);
    const auto state = model->makeState(0);
    Trace trace(TOY_STEPS);
    const auto ids = toyIds(2 * TOY_MAX_TOKENS + 7, 1);
    const auto watched = predictOn(*model, *state, ids, &trace);
    state->reset();
    CHECK(watched == predictOn(*model, *state, ids, nullptr));

    const auto executes = trace.take();
    REQUIRE(executes.size() == 3);
    for (size_t i = 0; i < executes.size(); ++i) {
      const ExecuteTimes &execute = executes[i];
      CHECK(execute.shape.numTokens == (i == 2 ? 7u : unsigned{TOY_MAX_TOKENS}));
      CHECK(execute.shape.starts == std::vector<uint64_t>{i * TOY_MAX_TOKENS});
      CHECK(execute.shape.wantedPositions.size() == execute.shape.numTokens);
      CHECK(execute.shape.wantedPositions.front() == i * TOY_MAX_TOKENS);
      REQUIRE(execute.steps.size() == TOY_STEPS + 1);
      CHECK(execute.steps[TOY_APPENDS].passes == 1);
      CHECK(execute.steps[TOY_LOGITS].passes == 1);
      CHECK(execute.steps[0].passes == 0);
      double sum = 0;
      for (const profile::StepTime &step : execute.steps)
        sum += step.seconds();
      CHECK(sum == doctest::Approx(execute.seconds));
    }
    CHECK(trace.take().empty());
  }
}

TEST_CASE("a larger team takes prompts in larger pieces, up to what the function takes") {
  std::vector<float> alone;
  for (const auto &[threads, most, pieces] :
       std::initializer_list<std::tuple<uint32_t, uint64_t, std::vector<uint64_t>>>{{1, 1000, {256, 256, 188}},
                                                                                    {4, 1000, {256, 256, 188}},
                                                                                    {5, 1000, {320, 320, 60}},
                                                                                    {5, 300, {300, 300, 100}}}) {
    const auto model =
        makeToyModel(threads, [&](Program &program) { program.description.functions[0].maxTokens = most; });
    CHECK(model->cutTokens(0) == pieces[0]);
    const auto state = model->makeState(0);
    Trace trace(TOY_STEPS);
    const auto logits = predictOn(*model, *state, toyIds(700, 1), &trace);
    std::vector<uint64_t> seen;
    for (const ExecuteTimes &execute : trace.take())
      seen.push_back(execute.shape.numTokens);
    CHECK(seen == pieces);
    if (alone.empty())
      alone = logits;
    CHECK(logits == alone);
  }
}

TEST_CASE("steps that no table has are of none") {
  const auto model = makeToyModel(2);
  const auto state = model->makeState(0);
  Trace trace(TOY_APPENDS); // knows only the first
  predictOn(*model, *state, toyIds(5, 1), &trace);
  const auto executes = trace.take();
  REQUIRE(executes.size() == 1);
  CHECK(executes[0].steps[TOY_APPENDS].passes == 1);
  CHECK(executes[0].steps[0].passes == 1);
}

TEST_CASE("a call that fails leaves no times, and the team as it was") {
  const auto model = makeToyModel(2);
  const auto state = model->makeState(0);
  Trace trace(TOY_STEPS);
  CHECK_THROWS_WITH(predictOn(*model, *state, {1, TOY_FAILS}, &trace), "no more");
  CHECK(trace.take().empty());
  predictOn(*model, *state, {1, 2}, nullptr);
  CHECK(trace.take().empty());
}
