// SPDX-License-Identifier: MIT
// One function over rows and over whole registers: which form runs, and that nobody can tell from the state.
#include "tests/unit/failure.h"
#include "tests/unit/toy/two_form_model.h"

#include "runtime/model/moving.h"
#include "runtime/state/rows.h"
#include "runtime/state/split.h"

#include <cstring>
#include <doctest/doctest.h>
#include <random>

using namespace kvasir;
using namespace kvasir::runtime;
using kvasir::test::failureOf;

namespace {

constexpr float kHidden = -30000;

/// A call of `add`.
struct Add {
  Add(uint64_t start, std::vector<int32_t> ids, uint64_t width = TWO_FORM_ROWS)
      : ids(std::move(ids)), pos(static_cast<int32_t>(start)), width(width) {
    for (uint64_t token = 0; token < this->ids.size(); ++token)
      for (uint64_t row = 0; row < width; ++row)
        mask.push_back(row <= start + token ? 0 : kHidden);
  }

  std::vector<NamedInput> inputs() const {
    return {{"ids", ids.data(), ElementType::i32, {1, ids.size()}},
            {"pos", &pos, ElementType::i32, {1}},
            {"mask", mask.data(), ElementType::f32, {ids.size(), width}}};
  }

  std::vector<int32_t> ids;
  int32_t pos;
  uint64_t width;
  std::vector<float> mask;
};

CallResult call(Model &model, State &state, const std::string &function, const std::vector<NamedInput> &inputs,
                FormWish form = FormWish::automatic, const CancelFlag *cancel = nullptr) {
  CallRequest request;
  request.function = model.findFunction(function);
  request.states = {&state};
  request.counts = {0};
  request.form = form;
  request.cancel = cancel;
  return callFunction(model, request, inputs);
}

CallResult add(Model &model, State &state, const Add &call, FormWish form = FormWish::automatic) {
  return ::call(model, state, "add", call.inputs(), form);
}

/// All registers as a caller sees them.
std::vector<float> contents(const State &state) {
  std::vector<float> values(TWO_FORM_ROWS * TWO_FORM_LAYERS * 4 + 1);
  readRegister(state, state.slots().find("cache"), 0, values.data());
  readRegister(state, state.slots().find("calls"), 0, &values.back());
  return values;
}

/// Rows by the cache are those of the register.
void checkRows(const State &state) {
  const auto values = contents(state);
  std::vector<float> rows(state.length() * 4);
  for (uint64_t layer = 0; layer < TWO_FORM_LAYERS; ++layer) {
    readRows(state, state.slots().find("cache.rows"), layer, 0, state.length(), rows.data());
    for (uint64_t i = 0; i < rows.size(); ++i)
      REQUIRE(rows[i] == values[(i / 4 * TWO_FORM_LAYERS + layer) * 4 + i % 4]);
  }
}

Add randomAdd(std::mt19937 &random, uint64_t length) {
  const uint64_t starts[] = {length, length, random() % TWO_FORM_ROWS, length < 9 ? 0 : length - 9};
  std::vector<int32_t> ids(1 + random() % (random() % 4 ? 3 : 150));
  for (int32_t &id : ids)
    id = static_cast<int32_t>(random() % 50);
  Add call(starts[random() % 4], ids);
  if (random() % 5 == 0)
    call.mask[random() % call.mask.size()] = random() % 2 ? kHidden : 0;
  if (random() % 9 == 0)
    call.ids[random() % ids.size()] = random() % 2 ? TWO_FORM_FAILS : TWO_FORM_REFUSES;
  return call;
}

template <typename Body> kv_status statusOf(Body body) {
  try {
    body();
  } catch (const Error &error) {
    return error.status();
  }
  return KV_OK;
}

} // namespace

TEST_CASE("the raised form runs where the binds hold, and its length is where the call ends") {
  const auto model = makeTwoFormModel(2);
  const auto state = model->makeState(0);
  CHECK(state->capacity() == TWO_FORM_ROWS);
  struct Case {
    Add call;
    Form form;
    uint64_t length;
    const char *reason;
  };
  Add blind(4, {1}), sees(5, {1, 2}), faint(6, {1});
  blind.mask[2] = kHidden;
  sees.mask[7] = 0;
  faint.mask[200] = -9999;
  const Case cases[] = {
      {Add(0, {1, 2, 3}), Form::raised, 3, ""},
      {Add(3, {4}), Form::raised, 4, ""},
      {Add(2, {5}), Form::raised, 3, ""},
      {Add(10, {6}, 11), Form::raised, 11, ""},
      {blind, Form::opaque, 0, "input 'mask' is not causal: token 4 does not see row 2"},
      {sees, Form::opaque, 0, "input 'mask' is not causal: token 5 sees row 7"},
      {faint, Form::opaque, 0, "input 'mask' is not causal: token 6 sees row 200"},
      {Add(7, {1, 2}, 8), Form::opaque, 0, "input 'mask' is a mask of 2 tokens over 8 rows; the call brings 2 after 7"},
      {Add(0, std::vector<int32_t>(201, 3)), Form::opaque, 0, "the raised form takes at most 200 tokens"},
      {Add(0, {TWO_FORM_REFUSES}), Form::opaque, 0, "the raised form does not like it"},
      {Add(9, {6}), Form::raised, 10, ""},
  };
  for (const Case &each : cases) {
    const CallResult result = add(*model, *state, each.call);
    CHECK(result.form == each.form);
    CHECK(result.whyOpaque == each.reason);
    CHECK(state->length() == each.length);
    checkRows(*state);
  }
  const auto small = model->makeState(5);
  CHECK(add(*model, *small, Add(3, {1, 2})).form == Form::raised);
  CHECK(add(*model, *small, Add(4, {1, 2})).whyOpaque == "the call's 2 tokens would start at row 4 of at most 5");
  CHECK(add(*model, *state, Add(10, {6}), FormWish::opaque).whyOpaque == "the caller asked for the opaque form");
  CHECK(call(*model, *state, "sum", {}).form == Form::single);
  CHECK(failureOf(KV_BAD_INPUT, [&] { add(*model, *state, Add(TWO_FORM_ROWS, {1})); }) == "no such rows");
  CHECK(failureOf(KV_BAD_INPUT, [&] { model->findFunction("add.raised"); }) ==
        "function 'add.raised' is the raised form of another, which runs it where it can");
  CHECK(failureOf(KV_BAD_INPUT, [&] { model->findFunction("x"); }) == "no function is called 'x'; there are add, sum");
}

TEST_CASE("whatever forms ran, outputs and state are those of the opaque one") {
  const auto model = makeTwoFormModel(1);
  uint64_t numRaised = 0, numOpaque = 0, numFailed = 0;
  for (uint32_t seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    auto state = model->makeState(0), due = model->makeState(0);
    std::unique_ptr<State> branch;
    std::vector<float> kept;
    for (int number = 0; number < 60; ++number) {
      const Add next = randomAdd(random, state->length());
      const auto before = contents(*state);
      CallResult result, expected;
      const kv_status status = statusOf([&] { result = add(*model, *state, next); });
      REQUIRE(status == statusOf([&] { expected = add(*model, *due, next, FormWish::opaque); }));
      REQUIRE(contents(*state) == contents(*due));
      checkRows(*state);
      if (status == KV_OK)
        REQUIRE(result.outputs[0].bytes == expected.outputs[0].bytes);
      else
        REQUIRE(contents(*state) == before);
      ++(status != KV_OK ? numFailed : result.form == Form::raised ? numRaised : numOpaque);
      if (branch)
        REQUIRE(contents(*branch) == kept);
      if (number % 10 == 4) {
        branch = state->fork();
        kept = contents(*branch);
        if (random() % 2)
          std::swap(branch, state);
      }
    }
  }
  CHECK(numRaised > 200);
  CHECK(numOpaque > 50);
  CHECK(numFailed > 30);
}

TEST_CASE("a cancelled call leaves rows and registers on their sides") {
  const auto model = makeTwoFormModel(2);
  const auto state = model->makeState(0);
  add(*model, *state, Add(0, {1, 2, 3, 4}));
  const auto before = contents(*state);
  const CancelFlag cancel{true};
  Add sees(1, {1});
  sees.mask[9] = 0;
  for (const Add &next : {Add(4, {5}), Add(2, {5}), Add(140, {5}), sees}) {
    CHECK(statusOf([&] { call(*model, *state, "add", next.inputs(), FormWish::automatic, &cancel); }) == KV_CANCELLED);
    CHECK(contents(*state) == before);
    CHECK(state->length() == 4);
  }
}

TEST_CASE("checkpoints of more tokens than a call starts after are gone, others stay") {
  const auto model = makeTwoFormModel(1);
  const auto state = model->makeState(0);
  add(*model, *state, Add(0, {1, 2}));
  const auto two = contents(*state);
  for (uint64_t start = 2; start < 5; ++start)
    add(*model, *state, Add(start, {9}));
  add(*model, *state, Add(3, {8}));
  CHECK(state->longestLegalLength(3) == 3);
  state->truncate(2);
  CHECK(contents(*state) == two);
  checkRows(*state);
  add(*model, *state, Add(2, {1}), FormWish::opaque);
  CHECK(state->length() == 0);
  CHECK(state->contents().checkpoints.empty());
}

TEST_CASE("a state with rows and registers moves and is written to by rows") {
  const auto model = makeTwoFormModel(1), other = makeTwoFormModel(1);
  const auto state = model->makeState(0);
  add(*model, *state, Add(0, {1, 2, 3, 4, 5, 6}));
  add(*model, *state, Add(1, {7}));
  uint64_t numRounded = 0;
  const auto moved = moveState(*model, *state, *other, {0, kAutomaticCheckpoints}, numRounded);
  CHECK(contents(*moved) == contents(*state));
  CHECK(moved->length() == 2);
  add(*other, *moved, Add(2, {7}));
  add(*model, *state, Add(2, {7}), FormWish::opaque);
  CHECK(contents(*moved) == contents(*state));

  const std::vector<float> row(4, 12.5f);
  writeRows(*moved, moved->slots().find("cache.rows"), 1, 2, 1, row.data());
  checkRows(*moved);
  CHECK(contents(*moved)[(2 * TWO_FORM_LAYERS + 1) * 4] == 12.5f);
}
