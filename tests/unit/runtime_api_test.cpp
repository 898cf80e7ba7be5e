// SPDX-License-Identifier: MIT
// The library as a host sees it: kvasir.hpp over kvasir.h, on a plugin that went through the loader.
#include "tests/unit/toy/toy_plugin.h"

#include "kvasir/kvasir.hpp"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <functional>
#include <string>
#include <thread>

namespace {

kv_status statusOf(const std::function<void()> &body) {
  try {
    body();
  } catch (const kvasir::Error &error) {
    CHECK(std::strlen(error.what()) > 0);
    return error.status();
  }
  return KV_OK;
}

} // namespace

TEST_CASE("a conversation from text to text") {
  const kvasir::Model model(KVASIR_TOY, {2});
  CHECK(model.facts().vocabulary == TOY_VOCABULARY);
  CHECK(model.facts().context == TOY_CONTEXT);
  CHECK(model.facts().max_tokens == TOY_MAX_TOKENS);
  CHECK(model.facts().threads == 2);
  const auto ids = model.tokenize("abc d");
  CHECK(ids == std::vector<int32_t>{0, 1, 2, 59, 3});
  kvasir::State state = model.makeState();
  const auto logits = model.predict(state, ids);
  CHECK(logits.rows() == 1);
  CHECK(state.length() == 5);
  kvasir::Sampler sampler;
  const int32_t next = sampler.sample(logits.last());
  CHECK(logits.last()[next] == *std::max_element(logits.last().begin(), logits.last().end()));
  kvasir::Detokenizer detokenizer(model);
  std::string text;
  for (const int32_t id : ids)
    text += detokenizer.push(id);
  CHECK(text == "abc d");
  CHECK(detokenizer.push(TOY_HALF_CHARACTER).empty());
  CHECK(detokenizer.finish() == "\xef\xbf\xbd");
  CHECK(model.isEnd(TOY_END));
  CHECK(!model.isEnd(0));
}

TEST_CASE("one state and a list of states; rows of both") {
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir::State one = model.makeState(), two = model.makeState(300);
  const std::vector<int32_t> first = {1, 2, 3}, second = {4, 5};
  const auto all = model.predict({{one, first}, {two, second}}, {kvasir::Wanted::all, nullptr});
  CHECK(all.rows() == 5);
  kvasir::State alone = model.makeState();
  const auto logits = model.predict(alone, second);
  CHECK(std::equal(logits.last().begin(), logits.last().end(), all[4].begin()));
  CHECK(one.rows("k", 1, 1, 2) == std::vector<float>{2, 1, 3, 2});
  CHECK(two.rows("v", 0, 0, 2) == std::vector<float>{4, 5});
  two.reset();
  CHECK(two.length() == 0);
  CHECK(two.capacity() == 300);
}

TEST_CASE("branches, the way back, ids, registers and writing") {
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir::State state = model.makeState();
  model.predict(state, {1, 2, 3});
  state.checkpoint();
  model.predict(state, {4, 5});
  kvasir::State branch = state.fork();
  model.predict(branch, {6});
  CHECK(branch.ids() == std::vector<int32_t>{1, 2, 3, 4, 5, 6});
  CHECK(branch.registerValue("sum", 0) == std::vector<float>{6});
  uint64_t nearest = 0;
  CHECK(statusOf([&] { branch.truncate(4, &nearest); }) == KV_UNSUPPORTED);
  CHECK(nearest == 3);
  CHECK(statusOf([&] { branch.truncate(7, &nearest); }) == KV_BAD_INPUT);
  CHECK(nearest == 6);
  branch.truncate(nearest = 3);
  CHECK(branch.registerValue("sum", 0) == std::vector<float>{3});
  CHECK(state.ids().size() == 5);

  CHECK(branch.firstRow("k") == 0);
  CHECK(statusOf([&] { branch.firstRow("sum"); }) == KV_BAD_INPUT);
  const std::vector<float> rows = {7, 0, 8, 1};
  branch.write("k", 1, 0, rows);
  CHECK(branch.rows("k", 1, 0, 3) == std::vector<float>{7, 0, 8, 1, 3, 2});
  CHECK(state.rows("k", 1, 0, 2) == std::vector<float>{1, 0, 2, 1});
  CHECK(statusOf([&] { branch.write("k", 1, 0, std::vector<float>{7}); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { branch.write("k", 1, 2, rows); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { branch.write("sum", 0, 0, rows); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { branch.registerValue("k", 0); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { branch.registerValue("sum", 1); }) == KV_BAD_INPUT);
}

TEST_CASE("weights in the process's own memory") {
  const kvasir::Model mapped(KVASIR_TOY), copied(KVASIR_TOY, {.weights = kvasir::Weights::copied});
  kvasir::State of[] = {mapped.makeState(), copied.makeState()};
  const auto expected = mapped.predict(of[0], {3, 1, 4}), logits = copied.predict(of[1], {3, 1, 4});
  CHECK(std::ranges::equal(expected.last(), logits.last()));
  CHECK(statusOf([] { kvasir::Model(KVASIR_TOY, {.weights = kvasir::Weights(2)}); }) == KV_BAD_INPUT);
}

TEST_CASE("any function by name") {
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir::State state = model.makeState();
  const std::vector<int32_t> ids = {1, 2, 3};
  const auto outputs = model.call("forward", state, {{"ids", ids}});
  CHECK(outputs.count() == 1);
  CHECK(outputs["logits"].dims[1] == TOY_VOCABULARY);
  CHECK(outputs.floats("logits").size() == TOY_VOCABULARY);
  CHECK(model.call("read", state, {}).floats("sum")[0] == 3.0f);
  CHECK(outputs.form() == kvasir::Form::single);
  CHECK(outputs.reason().empty());
  kvasir::CallOptions opaque;
  opaque.form = kvasir::Wish::opaque;
  CHECK(model.call("read", state, {}, opaque).form() == kvasir::Form::single);
  opaque.form = static_cast<kvasir::Wish>(2);
  CHECK(statusOf([&] { model.call("read", state, {}, opaque); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { model.call("forward", state, {{"ids", std::vector<float>{1}}}); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { model.call("backward", state, {}); }) == KV_BAD_INPUT);
}

TEST_CASE("errors have their status and change nothing") {
  CHECK(statusOf([] { kvasir::Model model("/nowhere.kvasir"); }) == KV_BAD_FILE);
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir::State state = model.makeState(4);
  CHECK(statusOf([&] { model.predict(state, {1, 2, 3, 4, 5}); }) == KV_CAPACITY);
  CHECK(statusOf([&] { model.predict(state, {TOY_VOCABULARY}); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { model.predict(state, {1, TOY_FAILS}); }) == KV_FAILED);
  CHECK(statusOf([&] { model.predict(state, std::initializer_list<int32_t>{}); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { state.rows("k", 0, 0, 1); }) == KV_BAD_INPUT);
  CHECK(statusOf([&] { kvasir::Sampler sampler({.temperature = -1}); }) == KV_BAD_INPUT);
  CHECK(state.length() == 0);
}

TEST_CASE("busy and cancelled, seen from another thread") {
  const kvasir::Model model(KVASIR_TOY, {2});
  kvasir::State state = model.makeState();
  kvasir::Cancel cancel;
  std::thread caller([&] {
    kv_status status = KV_BUSY; // while the other thread looks
    while (status == KV_BUSY)
      status = statusOf([&] { model.predict(state, {1, TOY_WAITS}, {kvasir::Wanted::last, &cancel}); });
    CHECK(status == KV_CANCELLED);
  });
  // The call never ends by itself: some time it has begun. Until then, an empty look at the state works.
  while (statusOf([&] { state.rows("k", 0, 0, 0); }) != KV_BUSY)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(statusOf([&] { model.predict(state, {1}); }) == KV_BUSY);
  cancel.request();
  caller.join();
  cancel.clear();
  model.predict(state, {1}, {kvasir::Wanted::last, &cancel});
  CHECK(state.length() == 1);
}

TEST_CASE("options of an older and of a newer caller, null and short messages") {
  kvasir_model *model = nullptr;
  struct {
    kvasir_model_options known;
    uint64_t newer;
  } options = {{sizeof options, 1, KVASIR_PIN_OFF, KVASIR_UNVERIFIED_REFUSE, KVASIR_SERVICES_OFFERED, KVASIR_TEAM_FIXED,
                KVASIR_WEIGHTS_MAPPED},
               7};
  REQUIRE(kvasir_model_open(KVASIR_TOY, &options.known, &model, nullptr, 0) == KV_OK);
  kvasir_model_facts facts;
  std::memset(&facts, 0xff, sizeof facts);
  facts.size = offsetof(kvasir_model_facts, context);
  kvasir_model_get_facts(model, &facts);
  CHECK(facts.vocabulary == TOY_VOCABULARY);
  CHECK(facts.context == ~uint64_t{0});
  char message[10];
  kvasir_state *state = nullptr;
  const kvasir_state_options tooLarge = {sizeof tooLarge, 0, 5000};
  CHECK(kvasir_state_make(model, &tooLarge, &state, message, sizeof message) == KV_BAD_INPUT);
  CHECK(std::string(message) == "a state o");
  CHECK(kvasir_state_make(nullptr, nullptr, &state, message, sizeof message) == KV_BAD_INPUT);
  REQUIRE(kvasir_state_make(model, nullptr, &state, message, sizeof message) == KV_OK);
  CHECK(message[0] == 0);
  kvasir_model_free(model); // the state keeps what it needs
  const int32_t id = 3;
  const kvasir_sequence sequence = {state, &id, 1};
  float logits[TOY_VOCABULARY];
  CHECK(kvasir_predict(&sequence, 1, nullptr, logits, 63, message, sizeof message) == KV_BAD_INPUT);
  CHECK(kvasir_predict(&sequence, 1, nullptr, logits, 64, message, sizeof message) == KV_OK);
  kvasir_state_free(state);
}
