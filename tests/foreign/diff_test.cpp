// SPDX-License-Identifier: MIT
// `kvasir diff` of the right plugin and of one with a fault that no audit can tell, since all its calls agree: each is
// pinned to its first row, and what is right is equal.
#include "tests/unit/tools/ran.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace kvasir::test;
using Json = nlohmann::json;

namespace {

std::string pathOf(const std::string &plugin) { return KVASIR_FOREIGN_PLUGINS "/foreign_" + plugin + ".kvasir"; }

Ran diffOf(const std::string &a, const std::string &b, const std::string &options = "") {
  return run("$KVASIR diff " + pathOf(a) + " " + pathOf(b) + " " + options);
}

struct Row {
  const char *bug;
  uint64_t callTokens;
  const char *slot;
  uint64_t layer, row;
  const char *origin;
};

// 148 made-up tokens in calls of 140, 1, 1, 5 and 1.
const Row kRows[] = {
    {"weight", 140, "v", 3, 0, ""},
    {"swapped", 140, "k", 0, 0, "A's row of slot v"},
    {"rope_base", 140, "k", 0, 1, ""}, // nothing turns at position 0
    {"five_tokens", 5, "k", 3, 142, ""},
};

} // namespace

TEST_CASE("a diff names the first row that a fault reaches") {
  for (const Row &row : kRows) {
    CAPTURE(row.bug);
    const Ran ran = diffOf("right", row.bug, "--json");
    CHECK(ran.exitCode == 1);
    const Json json = Json::parse(ran.out), first = json.at("first");
    CHECK(json.at("equal") == false);
    CHECK(json.at("result") == "different");
    CHECK(json.at("enlarged") == 0);
    CHECK(first.at("function") == "forward");
    CHECK(first.at("call_tokens") == row.callTokens);
    CHECK(first.at("slot") == row.slot);
    CHECK(first.at("layer") == row.layer);
    CHECK(first.at("row") == row.row);
    CHECK(first.at("a") != first.at("b"));
    CHECK(json.at("origin") == row.origin);
    CHECK(diffOf(row.bug, row.bug).exitCode == 0);
  }
}

TEST_CASE("a diff names the number that a fault changes") {
  CHECK(Json::parse(diffOf("right", "weight", "--json").out).at("first").at("element") == 11);
}

TEST_CASE("a diff says it in one sentence") {
  const Ran ran = diffOf("right", "swapped", "--ids 1,2,3");
  CHECK(ran.exitCode == 1);
  CHECK(ran.err == "");
  const std::string last = ran.out.substr(ran.out.rfind('\n', ran.out.size() - 2) + 1);
  CHECK(last.starts_with("different: function forward, call of 3 tokens: slot k, layer 0, row 0 (token 1): lane "));
  CHECK(last.ends_with("; equal numerics promise equal bits; B's row is A's row of slot v\n"));
}

TEST_CASE("a diff says where it can't know how far rounding is enlarged") {
  const std::string other = KVASIR_FOREIGN_PLUGINS "/foreign_swapped_f33.kvasir"; // promises no equal bits
  REQUIRE(run("sed 's/\"id\": \"f32\"/\"id\": \"f33\"/' " + pathOf("swapped") + " > " + other).exitCode == 0);
  const Json json = Json::parse(run("$KVASIR diff " + pathOf("right") + " " + other + " --json").out);
  CHECK(json.at("equal_bits_promised") == false);
  CHECK(json.at("result") == "different");
  CHECK(json.at("notes").at(0) ==
        "A does not say where its norms are: whether its model enlarges rounding is not known");
  CHECK(Json::parse(diffOf("right", "swapped", "--json").out).at("notes").empty());
}

TEST_CASE("a diff of plugins that do the same says equal") {
  const Ran ran = diffOf("right", "right");
  CHECK(ran.exitCode == 0);
  CHECK(ran.out.ends_with("148 tokens in 5 calls\n"
                          "  k             888 rows, equal to the bit\n"
                          "  v             888 rows, equal to the bit\n"
                          "  logits        148 rows, equal to the bit\n"
                          "equal to the bit\n"));
  const Json json = Json::parse(diffOf("right_register", "right_register", "--json --ids 1,2,3,4,5 --chunk 2").out);
  CHECK(json.at("equal") == true);
  CHECK(json.at("result") == "equal");
  CHECK(json.at("calls") == 7); // 2, 2, 1; 1, 1, 5, 1
  CHECK(json.at("compared").at(2).at("slot") == "taps");
  CHECK(json.at("compared").at(2).at("rows") == 42);
}

TEST_CASE("a register that differs is found") {
  const Json json = Json::parse(diffOf("right_register", "register_not_written", "--json --ids 1,2,3,4,5").out);
  CHECK(json.at("first").at("slot") == "taps");
  CHECK(json.at("first").at("layer") == 0);
}

TEST_CASE("what can't be compared is refused by name") {
  const Ran slots = diffOf("right_register", "right");
  CHECK(slots.exitCode == 2);
  CHECK(slots.err == "kvasir: the second model has no slot taps: their states can't be compared\n");
  checkRefusal("$KVASIR diff /nowhere $TOY", 2, "kvasir: cannot load '/nowhere': No such file or directory");
  checkRefusal("$KVASIR diff $TOY", 2, "kvasir: diff: b is required");
  const Ran shapes = run("$KVASIR diff " + pathOf("right") + " $TOY");
  CHECK(shapes.exitCode == 2);
  CHECK(shapes.err == "kvasir: slot k has rows of 16 numbers in 6 layers in the first model and rows of 2 numbers in 2 "
                      "layers in the second: their states can't be compared\n");
}
