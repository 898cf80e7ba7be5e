// SPDX-License-Identifier: MIT
// What `kvasir` does with saved conversations.
#include "tests/unit/tools/ran.h"
#include "tests/unit/toy/toy_plugin.h"

#include "kvasir/kvasir.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

using kvasir::test::checkRefusal;
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
  CHECK(damaged.err ==
        "kvasir: '" + path.text + "' is damaged: block 1 of slot k (rows 128 to 255) is not what its checksum says\n");
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

TEST_CASE("run goes on from a file as if it had never stopped") {
  const FreePath path;
  const std::string whole = run("$KVASIR run $TOY -p abcdefghijkl -n 12").out;
  const std::string kept = " --state " + path.text;
  const Ran first = run("$KVASIR run $TOY -p abcdefghijkl -n 5" + kept);
  CHECK(first.err == "");
  const Ran second = run("$KVASIR run $TOY -n 7" + kept);
  CHECK(second.err ==
        "'" + path.text + "' holds 17 tokens: 17 of them begin this text of 17, 16 are used as they are\n");
  CHECK(first.out.substr(0, 5) + second.out == whole);
  const kvasir::Model model(KVASIR_TOY, {1});
  CHECK(model.loadState(path.text).length() == 24);
}

TEST_CASE("run loses nothing of what a file holds unless it is told to") {
  const FreePath path;
  const std::string kept = " --state " + path.text;
  const std::string out = run("$KVASIR run $TOY -p abcdefghijkl -n 5" + kept).out;
  const std::string refusal = "kvasir: '" + path.text +
                              "' holds 17 tokens that this text does not begin with; --append adds the text to them, "
                              "--restart replaces them";
  for (const char *prompt : {" -p abcdefghijkl", " -p zz", " --ids 0,1,2,9"})
    checkRefusal("$KVASIR run $TOY -n 2" + kept + prompt, 1, refusal);
  CHECK(kvasir::Model(KVASIR_TOY, {1}).loadState(path.text).length() == 17);

  const std::string text = "abcdefghijkl" + out.substr(0, 5);
  const Ran longer = run("cp " + path.text + " " + path.text + "2; $KVASIR run $TOY -n 2 -p '" + text + "b' --state " +
                         path.text + "2; rm " + path.text + "2");
  CHECK(longer.exitCode == 0);
  const Ran appended = run("$KVASIR run $TOY -n 2 --append -p b" + kept);
  CHECK(appended.err ==
        "'" + path.text + "' holds 17 tokens: 17 of them begin this text of 18, 17 are used as they are\n");
  CHECK(appended.out == longer.out);
  CHECK(kvasir::Model(KVASIR_TOY, {1}).loadState(path.text).length() == 20);
}

TEST_CASE("--append and --restart stand beside --state, which is named") {
  checkRefusal("$KVASIR run $TOY -p a --append", 2, "kvasir: run: --append requires --state");
  checkRefusal("$KVASIR run $TOY -p a --restart", 2, "kvasir: run: --restart requires --state");
  for (const char *options : {"--state ''", "--state=", "--state x --append --restart"})
    CHECK_MESSAGE(run(std::string("$KVASIR run $TOY -p a ") + options).exitCode == 2, options);
  CHECK(run("$KVASIR run $TOY --restart --state /tmp/none.kvstate").exitCode == 2);
  CHECK(run("$KVASIR run $TOY --call read --append --state /tmp/none.kvstate").exitCode == 2);
}

TEST_CASE("a full conversation is kept") {
  const FreePath path;
  const std::string kept = " --ignore-end --stats --print ids --state " + path.text;
  const std::string ids = " --ids $(yes 1 | head -n 990 | paste -sd,)";
  const Ran ran = run("$KVASIR run $TOY -n 200" + ids + kept);
  CHECK(ran.exitCode == 0);
  CHECK(ran.err.starts_with("the context of 1000 tokens is full\nprefill 990 tokens at "));
  CHECK(kvasir::Model(KVASIR_TOY, {1}).loadState(path.text).length() == 1000);
  const Ran again = run("$KVASIR run $TOY -n 200" + kept);
  CHECK(again.exitCode == 0);
  CHECK(again.out == "\n");
  checkRefusal("$KVASIR run $TOY --append --ids 1" + kept, 1,
               "'" + path.text +
                   "' holds 1000 tokens: 1000 of them begin this text of 1001, 1000 are used as they are");
  CHECK(run("$KVASIR run " + path.text + " -p a").err ==
        "kvasir: cannot load '" + path.text +
            "': is a saved conversation, not a model; `kvasir run MODEL --state` goes on from it\n");
}

TEST_CASE("run uses what a file holds of its prompt's beginning, and forgets the rest") {
  const FreePath path;
  const std::string kept = " --state " + path.text;
  run("$KVASIR run $TOY --ids 1,2,3,4,5,6 -n 4 --ignore-end --print ids" + kept);
  // The toy has a register: it can go back to a checkpoint only, here the one before the first generated token.
  const Ran ran = run("$KVASIR run $TOY --ids 1,2,3,4,5,6,7,8 -n 4 --ignore-end --print ids --restart" + kept);
  CHECK(ran.err == "'" + path.text + "' holds 10 tokens: 6 of them begin this text of 8, 6 are used as they are\n");
  CHECK(ran.out == run("$KVASIR run $TOY --ids 1,2,3,4,5,6,7,8 -n 4 --ignore-end --print ids").out);
  const Ran other = run("$KVASIR run $TOY --ids 9,9 -n 4 --ignore-end --print ids --restart" + kept);
  CHECK(other.err == "'" + path.text + "' holds 12 tokens: 0 of them begin this text of 2, 0 are used as they are\n");
  CHECK(other.out == run("$KVASIR run $TOY --ids 9,9 -n 4 --ignore-end --print ids").out);
}

TEST_CASE("run with a file that is damaged, or can't be written, fails and leaves it") {
  const FreePath path;
  CHECK(run("$KVASIR run $TOY --state " + path.text).err ==
        "kvasir: '" + path.text + "' holds no tokens to go on from; give a prompt\n");
  run("printf 'some text that is no state, but long enough to look at as one: 64 bytes' >" + path.text);
  const Ran ran = run("$KVASIR run $TOY -p a --state " + path.text);
  CHECK(ran.exitCode == 1);
  CHECK(ran.out == "");
  CHECK(ran.err == "kvasir: cannot load '" + path.text + "': is no .kvstate file\n");
  CHECK(run("cat " + path.text).out.find("some text") == 0);
  checkRefusal("$KVASIR run $TOY -p a -n 2 --state /nowhere/x", 1,
               "kvasir: cannot write '/nowhere/x': No such file or directory");
}

TEST_CASE("an interrupted run keeps what it has") {
  const FreePath path;
  // 61 makes the toy wait for ever: the call is cancelled, and the state is as before it.
  run("$KVASIR run $TOY -p abc -n 3 --ignore-end --state " + path.text);
  CHECK(run("timeout --preserve-status -s INT 0.2 $KVASIR run $TOY --append --ids 61 --state " + path.text).exitCode ==
        130);
  CHECK(kvasir::Model(KVASIR_TOY, {1}).loadState(path.text).length() == 6);
}

TEST_CASE("plan says bytes of weights, slots and scratch") {
  const auto json = nlohmann::json::parse(run("$KVASIR plan $TOY --context 500 --batch 3 -t 1 --json").out);
  CHECK(json["weights_bytes"] == 3 << 20);
  CHECK(json["slots"][0]["name"] == "k");
  CHECK(json["slots"][0]["bytes"] == 262144); // 12 blocks of 4 KB come at once
  CHECK(json["prefill_scratch_bytes"] == 50 * 8 + 128);
  CHECK(json["decode_scratch_bytes"] == 3 * 8 + 128);
  CHECK(run("$KVASIR plan $TOY -c 500 -b 3").out.find("3 sequences of 500 tokens\n  weights") == 0);
  CHECK(run("$KVASIR plan $TOY -c 5000").err.find("kvasir: 1 sequences of 5000 tokens: ") == 0);
}

TEST_CASE("a plan for an older caller, and for one that counts slots wrong") {
  const kvasir::Model model(KVASIR_TOY, {1});
  kvasir_plan_result result;
  std::memset(&result, 0xff, sizeof result);
  result.size = offsetof(kvasir_plan_result, state_bytes);
  char message[200];
  CHECK(kvasir_plan(model.get(), nullptr, &result, nullptr, 0, message, sizeof message) == KV_OK);
  CHECK(result.context == TOY_CONTEXT);
  CHECK(result.state_bytes == ~uint64_t{0});
  uint64_t slotBytes[2];
  CHECK(kvasir_plan(model.get(), nullptr, &result, slotBytes, 2, message, sizeof message) == KV_BAD_INPUT);
  CHECK(std::string(message) == "there is room for 2 slots, the model has 3");
}
