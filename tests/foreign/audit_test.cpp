// SPDX-License-Identifier: MIT
// `kvasir audit PLUGIN`, and nothing else said: each bug is found and its place named; what is right passes.
#include "tests/unit/tools/ran.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>
#include <vector>

using namespace kvasir::test;

namespace {

struct Audit {
  int exitCode;
  std::vector<std::string> errors; ///< sentences; not those that only follow from others
  std::string verdict;             ///< the last line
};

Audit auditOf(const std::string &plugin) {
  const Ran ran = run("$KVASIR audit " KVASIR_FOREIGN_PLUGINS "/foreign_" + plugin + ".kvasir");
  CHECK(ran.err == "");
  Audit audit{ran.exitCode, {}, ""};
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line); audit.verdict = line)
    for (const char *place : {"  slot ", "  register ", "  output "})
      if (line.starts_with(place))
        audit.errors.push_back(line.substr(2));
  return audit;
}

struct Row {
  const char *bug;
  const char *verdict;
  std::vector<const char *> places; ///< every error is at one of these, and at each is an error
};

// 148 made-up tokens in calls of 140 (three executes: 48, 48, 44), 1, 1, 5 and 1; then three sequences in batches.
const Row kRows[] = {
    {"skips_v",
     "slot v, layer 3: rows 0–139 and 142–146 were not written in 4 calls of 48, 48, 44 and 5 tokens; slot k is "
     "complete",
     {"slot v, layer 3"}},
    {"skips_row_0",
     "slot k, layers 0–5: rows 0, 48, 96 and 142 were not written in 4 calls of 48, 48, 44 and 5 tokens",
     {"slot k, layers 0–5", "slot v, layers 0–5"}},
    {"last_only",
     "slot k, layers 0–5: rows 0–46, 48–94, 96–138 and 142–145 were not written in 4 calls of 48, 48, 44 and 5 tokens",
     {"slot k, layers 0–5", "slot v, layers 0–5"}},
    // Members race for the one row that is written: what it holds, and who attended to it when, differs.
    {"frozen",
     "slot k, layers 0–5: rows 1–47, 49–95, 97–139 and 143–146 were not written in 4 calls of 48, 48, 44 and 5 tokens",
     {"slot k, layer", "slot v, layer", "output logits"}},
    {"off_by_one",
     "slot k, layers 0–5: rows 0, 48, 96 and 142 were not written in 4 calls of 48, 48, 44 and 5 tokens",
     {"slot k, layer", "slot v, layer"}},
    {"layer_3_into_4",
     "slot k, layer 3: rows 0–139 and 142–146 were not written in 4 calls of 48, 48, 44 and 5 tokens",
     {"slot k, layer 3", "slot v, layer 3"}},
    {"k_into_v",
     "slot v, layer 0: rows 0–139 and 142–146 hold after 2 calls of 140 and 5 tokens what token by token is in slot k",
     {"slot v, layer 0"}},
    {"undeclared",
     "slot v, layer 3: rows 47, 95 and 141, committed before, were changed in 3 calls of 48, 44 and 5 tokens",
     {"slot v, layer 3"}},
    {"beyond",
     "slot k, layer 3: rows 48, 96, 140 and 147 were written in 4 calls of 48, 48, 44 and 5 tokens, beyond the rows "
     "that "
     "they declare",
     {"slot k, layer 3"}},
    {"padded",
     "slot k, layers 0–5: rows 140–143 and 147–149 were written in 2 calls of 44 and 5 tokens, beyond the rows that "
     "they "
     "declare",
     {"slot k, layers 0–5", "slot v, layers 0–5"}},
    {"not_causal",
     "slot k, layers 1–5: rows 48–69 and 96–138 depend on later tokens of the call of 140 tokens",
     {"slot k, layers 1–5", "slot v, layers 1–5"}},
    {"old_cache",
     "slot k, layers 1–5: rows 0–139 and 142–146 depend on what the rows of 4 calls of 48, 48, 44 and 5 tokens held "
     "before they wrote them",
     {"slot k, layers 1–5", "slot v, layers 1–5", "output logits"}},
    {"other_sequence",
     "slot v, layer 3, sequence 0: rows 3–44 were not written in the call of 45 tokens; slot k is complete",
     {"slot v, layer 3, sequence 0", "slot v, layer 3, sequence 1", "slot v, layer 3, sequence 2"}},
    {"register_not_written",
     "register taps, layers 0–5 were not written in 4 calls of 48, 48, 44 and 5 tokens, which declare it",
     {"register taps, layers 0–5"}},
    {"register_on_error",
     "register taps, layer 0: its committed value was changed in 2 calls of 32 and 5 tokens that did not succeed",
     {"register taps, layer 0:", "register taps, layer 2:", "register taps, layer 5:"}},
};

bool isAt(const std::string &sentence, const char *place) { return sentence.starts_with(place); }

} // namespace

TEST_CASE("an audit names the place of each bug") {
  for (const Row &row : kRows) {
    CAPTURE(row.bug);
    const Audit audit = auditOf(row.bug);
    CHECK(audit.exitCode == 1);
    REQUIRE(!audit.errors.empty());
    CHECK(audit.errors.front() == row.verdict);
    CHECK(audit.verdict.starts_with(row.verdict));
    for (const std::string &error : audit.errors)
      CHECK_MESSAGE(std::ranges::any_of(row.places, [&](const char *place) { return isAt(error, place); }), error);
    for (const char *place : row.places)
      CHECK_MESSAGE(std::ranges::any_of(audit.errors, [&](auto &error) { return isAt(error, place); }), place);
  }
}

TEST_CASE("an audit tells results that differ from run to run") {
  const Audit audit = auditOf("nondeterministic");
  CHECK(audit.exitCode == 1);
  REQUIRE(!audit.errors.empty());
  // Which rows the clock hits, nobody knows; layer 0 does not attend to anything before it writes.
  CHECK(audit.errors.front().starts_with("slot k, layer"));
  CHECK(!audit.errors.front().starts_with("slot k, layer 0"));
  CHECK(audit.errors.front().ends_with("differ when 4 calls of 48, 48, 44 and 5 tokens run again on the same state"));
  CHECK(audit.verdict.starts_with(audit.errors.front()));
}

TEST_CASE("an audit lets pass what is right, built against any version of the border") {
  for (const char *name : {"right", "right_register", "fewer", "more"}) {
    CAPTURE(name);
    const Audit audit = auditOf(name);
    CHECK(audit.exitCode == 0);
    CHECK(audit.errors.empty());
    CHECK(audit.verdict == "each of 148 tokens reached its row in all 6 layers of k and v");
  }
}
