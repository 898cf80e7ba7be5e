// SPDX-License-Identifier: MIT
// Each bug is real: it changes exactly these rows, or this register, and nothing in calls of one token.
#include "tests/foreign/bare_host.h"

#include <cstring>
#include <doctest/doctest.h>
#include <functional>

using namespace kvasir::test;

namespace {

/// "k from layer 4: 5-11; v from layer 3: 5-11": of each slot the first layer that differs and its rows that do.
/// Behind the first layer everything differs that attends to it.
std::string differences(const Conversation &right, const Conversation &wrong) {
  std::string text;
  for (const size_t slot : {0, 1})
    for (uint64_t layer = 0; layer < kLayers; ++layer) {
      std::string rows;
      for (uint64_t row = 0, begin = 0; row <= KV_BLOCK_TOKENS; ++row) {
        const bool differs = row < KV_BLOCK_TOKENS && right.differs(wrong, slot, layer, row);
        if (differs && (row == 0 || !right.differs(wrong, slot, layer, row - 1)))
          begin = row;
        if (!differs && row > 0 && right.differs(wrong, slot, layer, row - 1))
          rows += (rows.empty() ? "" : ", ") + std::to_string(begin) +
                  (begin + 1 < row ? "-" + std::to_string(row - 1) : "");
      }
      if (!rows.empty()) {
        text += std::string(text.empty() ? "" : "; ") + "kv"[slot];
        text += " from layer " + std::to_string(layer) + ": " + rows;
        break;
      }
    }
  return text;
}

constexpr float kFill = 0.25f;

/// Two sequences: 5 tokens one by one, and 2; then a call that adds 7 to the first and 3 to the second.
struct Scene {
  explicit Scene(const std::string &name, float fill = kFill) : plugin(name), first(fill), second(fill) {
    for (const int32_t id : foreignIds(5, 1))
      CHECK(callBare(plugin, {&first}, {{id}}).status == KV_OK);
    for (const int32_t id : foreignIds(2, 2))
      CHECK(callBare(plugin, {&second}, {{id}}).status == KV_OK);
  }
  BareResult alone() { return callBare(plugin, {&first}, {foreignIds(7, 3)}); }
  BareResult together() { return callBare(plugin, {&first, &second}, {foreignIds(7, 3), foreignIds(3, 4)}); }

  Foreign plugin;
  Conversation first, second;
};

struct Row {
  const char *bug, *difference;
};

} // namespace

TEST_CASE("rows that a call of 7 tokens after 5 makes wrong") {
  const Row rows[] = {
      {"right", ""},
      {"skips_v", "k from layer 4: 5-11; v from layer 3: 5-11"},
      {"skips_row_0", "k from layer 0: 5; v from layer 0: 5"},
      {"last_only", "k from layer 0: 5-10; v from layer 0: 5-10"},
      {"frozen", "k from layer 0: 5-11; v from layer 0: 5-11"},
      {"off_by_one", "k from layer 0: 5-12; v from layer 0: 5-12"},
      {"layer_3_into_4", "k from layer 3: 5-11; v from layer 3: 5-11"},
      {"k_into_v", "k from layer 1: 5-11; v from layer 0: 5-11"},
      {"undeclared", "k from layer 4: 5-11; v from layer 3: 4"},
      {"beyond", "k from layer 3: 12"},
      {"padded", "k from layer 0: 12; v from layer 0: 12"},
      {"not_causal", "k from layer 1: 5-10; v from layer 1: 5-10"},
      {"old_cache", "k from layer 1: 5-11; v from layer 1: 5-11"},
      {"other_sequence", ""}, // alone it is right
  };
  Scene right("right");
  right.alone();
  for (const Row &row : rows) {
    CAPTURE(row.bug);
    Scene wrong(row.bug);
    CHECK(wrong.alone().status == KV_OK);
    CHECK(differences(right.first, wrong.first) == row.difference);
  }
}

TEST_CASE("in calls of one token every bug sleeps") {
  for (const char *bug :
       {"skips_v", "skips_row_0", "last_only", "frozen", "off_by_one", "layer_3_into_4", "k_into_v", "undeclared",
        "beyond", "padded", "not_causal", "old_cache", "other_sequence", "nondeterministic"}) {
    CAPTURE(bug);
    Scene right("right"), wrong(bug);
    for (const int32_t id : foreignIds(7, 3)) {
      const auto expected = callBare(right.plugin, {&right.first, &right.second}, {{id}, {5}});
      CHECK(callBare(wrong.plugin, {&wrong.first, &wrong.second}, {{id}, {5}}).logits == expected.logits);
    }
    CHECK(differences(right.first, wrong.first) == "");
    CHECK(differences(right.second, wrong.second) == "");
  }
}

TEST_CASE("rows that go to another sequence of the batch") {
  Scene right("right"), wrong("other_sequence");
  right.together();
  wrong.together();
  // Rows 5-11 of the first are in the second, rows 2-4 of the second in the first.
  CHECK(differences(right.first, wrong.first) == "k from layer 4: 5-11; v from layer 3: 2-11");
  CHECK(differences(right.second, wrong.second) == "k from layer 4: 2-4; v from layer 3: 2-11");
}

TEST_CASE("attention before the append depends on what the rows held before; the right one does not") {
  Scene first("old_cache"), second("old_cache", 0.5f), right("right"), filled("right", 0.5f);
  CHECK(first.alone().logits != second.alone().logits);
  CHECK(right.alone().logits == filled.alone().logits);
}

TEST_CASE("an order of sums that depends on the clock") {
  const auto logits = Scene("nondeterministic").alone().logits;
  bool differed = false;
  for (int i = 0; i < 20 && !differed; ++i)
    differed = Scene("nondeterministic").alone().logits != logits;
  CHECK(differed);
  CHECK(Scene("right").alone().logits == Scene("right").alone().logits);
}

TEST_CASE("a register that is declared and not written") {
  Scene right("right_register"), wrong("register_not_written");
  CHECK(right.first.taps == wrong.first.taps);
  const auto before = wrong.first.newTaps;
  CHECK(right.alone().logits == wrong.alone().logits);
  CHECK(differences(right.first, wrong.first) == "");
  CHECK(right.first.taps != wrong.first.taps);
  CHECK(wrong.first.taps == before); // whatever the host's memory held
}

TEST_CASE("a register that an error changes") {
  for (const uint32_t barrier : {1, 2, 3, 13}) {
    Scene right("right_register"), wrong("register_on_error");
    const auto before = right.first.taps;
    CHECK(callBare(right.plugin, {&right.first}, {foreignIds(7, 3)}, {.cancelAt = barrier}).status == KV_CANCELLED);
    CHECK(callBare(wrong.plugin, {&wrong.first}, {foreignIds(7, 3)}, {.cancelAt = barrier}).status == KV_CANCELLED);
    CHECK(right.first.taps == before);
    CHECK(wrong.first.taps != before);
  }
  Scene right("right_register"), wrong("register_on_error");
  CHECK(right.alone().logits == wrong.alone().logits);
  CHECK(right.first.taps == wrong.first.taps);
}
