// SPDX-License-Identifier: MIT
// What `kvasir` does with saved conversations.
#include "tests/unit/toy/toy_plugin.h"
#include "tests/unit/tools/ran.h"

#include "kvasir/kvasir.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

using kvasir::test::Ran;
using kvasir::test::run;

namespace {

/// A path that is free, and is free again afterwards.
struct FreePath {
  FreePath() : text("/tmp/kvasir-tools-" + std::to_string(getpid()) + ".kvstate") { unlink(text.c_str()); }
  ~FreePath() { unlink(text.c_str()); }
  const std::string text;
};

} // namespace

TEST_CASE("inspect reads a conversation without its model, and names what is damaged") {
  const FreePath path;
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir::State state = model.makeState(500);
  std::vector<int32_t> ids(200, 7);
  ids.back() = 9;
  model.predict(state, ids);
  state.save(path.text);

  const Ran text = run("$KVASIR inspect --verify " + path.text);
  CHECK(text.exitCode == 0);
  CHECK(text.out.find("conversation of toy\n") == 0);
  CHECK(text.out.find("  tokens        200 of at most 500\n") != std::string::npos);
  CHECK(text.out.find("  last ids      …,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,9\n") != std::string::npos);
  CHECK(text.out.find("  k             rows 0 to 199 in 8.2 KB; 2 layers x 1 heads x 2, f32") != std::string::npos);
  CHECK(text.out.find("verified: every block is what was saved\n") != std::string::npos);

  const auto json = nlohmann::json::parse(run("$KVASIR inspect --json " + path.text).out);
  CHECK(json["kind"] == "conversation");
  CHECK(json["length"] == 200);
  CHECK(json["capacity"] == 500);
  CHECK(json["ids"] == ids);
  CHECK(json["rows"][1]["blocks"] == 2);
  CHECK(json["description"]["model"]["name"] == "toy");

  const std::string damage = "printf x | dd bs=1 conv=notrunc status=none of=" + path.text + " seek=";
  run(damage + std::to_string(uint64_t(json["rows"][0]["offset"]) + 5000));
  CHECK(run("$KVASIR inspect " + path.text).exitCode == 0);
  const Ran damaged = run("$KVASIR inspect --verify " + path.text);
  CHECK(damaged.exitCode == 1);
  CHECK(damaged.err == "kvasir: '" + path.text +
                           "' is damaged: block 1 of slot k (rows 128 to 255) is not what its checksum says\n");
  run(damage + "100");
  CHECK(run("$KVASIR inspect " + path.text).err ==
        "kvasir: '" + path.text + "' is damaged: its metadata is not what its checksum says\n");
}

TEST_CASE("a model of another kind does not get the conversation") {
  const FreePath path;
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir::State state = model.makeState();
  model.predict(state, {1, 2, 3});
  state.save(path.text);
  CHECK(model.loadState(path.text).length() == 3);
  CHECK(model.loadState(path.text, 10).capacity() == 10);
  CHECK_THROWS_WITH_AS(model.loadState(path.text, 2),
                       doctest::Contains("holds 3 tokens, the state was to take at most 2"), kvasir::Error);
  CHECK_THROWS_WITH_AS(model.loadState(KVASIR_TOY), doctest::Contains("is no .kvstate file"), kvasir::Error);
  CHECK_THROWS_WITH_AS(state.save("/dev/null"), doctest::Contains("is no regular file"), kvasir::Error);
}
