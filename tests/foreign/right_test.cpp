// SPDX-License-Identifier: MIT
// The transformer without a bug, through the runtime: against the brute-force oracle, and bit for bit against itself.
#include "runtime/model/call.h"
#include "runtime/state/rows.h"
#include "tests/foreign/bare_host.h"
#include "tests/foreign/oracle.h"

#include <cmath>
#include <doctest/doctest.h>
#include <random>

using namespace kvasir;
using namespace kvasir::runtime;
using namespace kvasir::test;

namespace {

/// A model of the built plugin.
std::shared_ptr<Model> modelOf(const std::string &name, uint32_t threads) {
  const auto foreign = std::make_shared<Foreign>(name);
  return std::make_shared<Model>(Program{foreign->table, foreign->loaded->description(), nullptr, foreign, nullptr},
                                 ModelOptions{threads, Pinning::off});
}

/// predict on a batch; logits of the wanted rows.
std::vector<float> predictAll(Model &model, const std::vector<State *> &states,
                              const std::vector<std::vector<int32_t>> &texts, Wanted wanted) {
  CallRequest request;
  request.states = states;
  request.wanted = wanted;
  std::vector<int32_t> ids;
  for (const auto &text : texts) {
    request.counts.push_back(text.size());
    ids.insert(ids.end(), text.begin(), text.end());
  }
  std::vector<float> logits(request.sizes().wanted * kVocabulary);
  predict(model, request, ids, logits.data());
  return logits;
}

std::vector<float> allRows(const State &state) {
  std::vector<float> rows;
  for (const size_t slot : {0, 1})
    for (uint64_t layer = 0; layer < kLayers; ++layer) {
      rows.resize(rows.size() + state.length() * kRowFloats);
      readRows(state, slot, layer, 0, state.length(), &*(rows.end() - int64_t(state.length() * kRowFloats)));
    }
  return rows;
}

double furthest(const float *values, const std::vector<double> &expected) {
  double distance = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    distance = std::max(distance, std::abs(values[i] - expected[i]));
  return distance;
}

const char *const kRight[] = {"right", "right_register", "linked"};

} // namespace

TEST_CASE("logits and rows are those of the brute-force oracle") {
  for (const char *name : kRight) {
    CAPTURE(name);
    const auto model = modelOf(name, 2);
    const auto state = model->makeState(0);
    const auto ids = foreignIds(150, 1); // two blocks, four executes
    const auto logits = predictAll(*model, {state.get()}, {ids}, Wanted::all);
    const auto rows = allRows(*state);
    const Oracle oracle(ids, std::string(name) != "right");
    for (size_t t = 0; t < ids.size(); ++t)
      CHECK(furthest(&logits[t * kVocabulary], oracle.logits[t]) < 1e-4);
    for (size_t layer = 0; layer < kLayers; ++layer)
      for (size_t t = 0; t < ids.size(); ++t) {
        CHECK(furthest(&rows[(layer * ids.size() + t) * kRowFloats], oracle.k[layer][t]) < 1e-4);
        CHECK(furthest(&rows[((kLayers + layer) * ids.size() + t) * kRowFloats], oracle.v[layer][t]) < 1e-4);
      }
  }
}

TEST_CASE("any chunking and any team give the same bits") {
  for (const char *name : kRight) {
    CAPTURE(name);
    const auto ids = foreignIds(140, 2);
    const auto reference = modelOf(name, 1);
    const auto whole = reference->makeState(0);
    const auto logits = predictAll(*reference, {whole.get()}, {ids}, Wanted::all);
    for (const uint32_t threads : {1, 2, 3}) {
      const auto model = modelOf(name, threads);
      std::mt19937 random(threads);
      for (const size_t most : {1, 3, 20, 100}) {
        const auto state = model->makeState(0);
        std::vector<float> pieces;
        for (size_t first = 0; first < ids.size();) {
          const size_t count = std::min(ids.size() - first, 1 + random() % most);
          const auto piece = predictAll(*model, {state.get()}, {{&ids[first], &ids[first] + count}}, Wanted::all);
          pieces.insert(pieces.end(), piece.begin(), piece.end());
          first += count;
        }
        CHECK(pieces == logits);
        CHECK(allRows(*state) == allRows(*whole));
      }
    }
  }
}

TEST_CASE("a ragged batch gives each sequence what it gets alone") {
  for (const char *name : kRight) {
    CAPTURE(name);
    const auto model = modelOf(name, 3);
    std::mt19937 random(3);
    std::vector<std::unique_ptr<State>> together, alone;
    std::vector<State *> states;
    for (size_t b = 0; b < 4; ++b) {
      together.push_back(model->makeState(0));
      alone.push_back(model->makeState(0));
      states.push_back(together.back().get());
    }
    for (const Wanted wanted : {Wanted::last, Wanted::all, Wanted::none, Wanted::last}) {
      std::vector<std::vector<int32_t>> texts;
      std::vector<float> expected;
      for (size_t b = 0; b < 4; ++b) {
        texts.push_back(foreignIds(1 + random() % (b == 2 ? 1 : 60), uint32_t(random())));
        const auto own = predictAll(*model, {alone[b].get()}, {texts[b]}, wanted);
        expected.insert(expected.end(), own.begin(), own.end());
      }
      CHECK(predictAll(*model, states, texts, wanted) == expected);
    }
    for (size_t b = 0; b < 4; ++b)
      CHECK(allRows(*together[b]) == allRows(*alone[b]));
  }
}
