// SPDX-License-Identifier: MIT
// The program `kvasir` on the toy plugin: what it prints, what it says when things go wrong, how it exits.
#include "tests/unit/tools/ran.h"

#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>

using kvasir::test::checkRefusal;
using kvasir::test::Ran;
using kvasir::test::run;

TEST_CASE("run goes on from ids and from text, deterministically") {
  const std::string ids = run("$KVASIR run $TOY --ids 0,1,2,3,4,5,6,7,8,9,10,11 -n 12 --print ids").out;
  CHECK(ids == "22,40,40,39,53,28,30,43,33,52,50,56\n");
  const std::string text = run("$KVASIR run $TOY -p abcdefghijkl -n 12").out;
  CHECK(text == "wOON,CERH.Y2\n");
  CHECK(run("printf abcdefghijkl | $KVASIR run $TOY -f - -n 12").out == text);
  CHECK(run("$KVASIR run $TOY -p abcdefghijkl -n 12 --threads 1").out == text);
  CHECK(run("$KVASIR run $TOY -p abcdefghijkl -n 12 --copy-weights").out == text);
  CHECK(run("$KVASIR run $TOY -p abcdefghijkl -n 0").out == "\n");
}

TEST_CASE("sampling follows its seed") {
  const std::string line = "$KVASIR run $TOY -p abcdefghijkl -n 12 --temp 1000 --top-k 0 --top-p 1 --min-p 0 --seed ";
  const std::string one = run(line + "1").out;
  CHECK(run(line + "1").out == one);
  CHECK(run(line + "2").out != one);
}

TEST_CASE("run stops at the end token, or goes on") {
  CHECK(run("$KVASIR run $TOY --ids 59 -n 5 --print ids").out == "\n");
  CHECK(run("$KVASIR run $TOY --ids 59 -n 2 --print ids --ignore-end").out.substr(0, 3) == "63,");
}

TEST_CASE("run ends where the context does") {
  const Ran ran =
      run("$KVASIR run $TOY --ids $(yes 1 | head -n 975 | paste -sd,) --ignore-end --print ids --stats -n 200");
  CHECK(ran.exitCode == 0);
  CHECK(std::ranges::count(ran.out, ',') == 1000 - 975 - 1);
  CHECK(ran.err.starts_with("the context of 1000 tokens is full\nprefill 975 tokens at "));
}

TEST_CASE("spellings of control tokens are text, which a line says, unless they are asked for") {
  const Ran text = run("$KVASIR run $TOY -p 'ab<|end|>' -n 1");
  CHECK(text.err == "the text has spellings of control tokens, which are read as plain text; with --special they are "
                    "read as the tokens\n");
  CHECK(run("$KVASIR run $TOY -p 'ab<|end|>' -n 1 --special").err == "");
}

TEST_CASE("statistics go to standard error") {
  const Ran ran = run("$KVASIR run $TOY -p abcdefghijkl -n 12 --stats");
  CHECK(ran.out == "wOON,CERH.Y2\n");
  CHECK(ran.err.find("prefill 12 tokens at ") == 0);
  CHECK(ran.err.find("decode 11 tokens at ") != std::string::npos);
  CHECK(ran.err.find(" GB/s\n") != std::string::npos);
}

TEST_CASE("what goes wrong is one clear line") {
  checkRefusal("$KVASIR run $TOY -p ''", 1,
               "kvasir: the prompt is empty, and this model has no token that begins a text");
  checkRefusal("$KVASIR run $TOY -p $(printf 'a%.0s' $(seq 1200))", 1,
               "kvasir: the state holds 0 of at most 1000 tokens; 1200 more don't fit");
  checkRefusal("$KVASIR run /nowhere.kvasir -p a", 1,
               "kvasir: cannot load '/nowhere.kvasir': No such file or directory");
  checkRefusal("$KVASIR run $TOY -f /nowhere", 1, "kvasir: cannot read '/nowhere': No such file or directory");
  checkRefusal("$KVASIR run $TOY --ids 64", 1, "kvasir: token 64 at place 0 is outside the vocabulary of 64");
  checkRefusal("$KVASIR run $TOY --ids 1,60", 1, "kvasir: no more");
  checkRefusal("$KVASIR logits $TOY --ids 1 -o /nowhere/x.npy", 1,
               "kvasir: cannot write '/nowhere/x.npy': No such file or directory");
  checkRefusal("$KVASIR logits $TOY --ids 1 -o /dev/full", 1,
               "kvasir: cannot write '/dev/full': No space left on device");
  CHECK(run("test -c /dev/full").exitCode == 0);
  checkRefusal("$KVASIR diff $TOY $TOY --ids 1,60", 2, "kvasir: no more");
  for (const char *command : {"bench ", "profile ", "plan "})
    checkRefusal(std::string("$KVASIR ") + command + KVASIR_ODD, 1,
                 "kvasir: this model has no function from token ids to logits: it is a vocabulary only");
  CHECK(run("$KVASIR inspect " KVASIR_ODD).out.find("vocabulary of") == std::string::npos);
  checkRefusal("$KVASIR run $TOY -p a >/dev/full", 1, "kvasir: cannot write the output: No space left on device");
}

TEST_CASE("wrong usage") {
  checkRefusal("$KVASIR", 2, "kvasir: A subcommand is required");
  checkRefusal(
      "$KVASIR foo", 2,
      "kvasir: there is no command 'foo'; there are audit bench diff inspect logits plan profile run tokenize");
  checkRefusal("$KVASIR run $TOY", 2, "kvasir: run: give one of -p TEXT, -f FILE, --ids 1,2,3");
  checkRefusal("$KVASIR run $TOY -p a --ids 1", 2, "kvasir: run: give one of -p TEXT, -f FILE, --ids 1,2,3");
  checkRefusal("$KVASIR run $TOY --ids 1,x", 2,
               "kvasir: run: --ids takes whole numbers from 0 to 2147483647, separated by commas; found 'x'");
  CHECK(run("$KVASIR run $TOY -p a --nonsense").exitCode == 2);
  for (const char *line : {"run $TOY -p a -n -3", "run $TOY -p a --seed -1", "run $TOY -p a --top-k -1",
                           "run $TOY -p a --penalty-tokens -1", "run $TOY -p a -t -1", "plan $TOY -c -5",
                           "plan $TOY -b -1", "audit $TOY --chunk -4", "audit $TOY --seed -1",
                           "diff $TOY $TOY --chunk -4", "profile $TOY -n -1", "bench $TOY -n -1", "bench $TOY -r -1"}) {
    const Ran ran = run(std::string("$KVASIR ") + line);
    CHECK_MESSAGE(ran.exitCode == 2, line);
    CHECK_MESSAGE(ran.out == "", line);
  }
  for (const char *command :
       {"", "audit ", "run ", "tokenize ", "logits ", "inspect ", "bench ", "plan ", "profile ", "diff "}) {
    const Ran help = run(std::string("$KVASIR ") + command + "--help");
    CHECK(help.exitCode == 0);
    CHECK(help.out.find("Usage:") != std::string::npos);
  }
}

TEST_CASE("an interrupt ends a call that would never end, and a closed pipe the program") {
  CHECK(run("timeout --preserve-status -s INT 0.2 $KVASIR run $TOY --ids 61").exitCode == 130);
  CHECK(run("timeout --preserve-status -s INT 0.2 $KVASIR diff $TOY $TOY --ids 0,61").exitCode == 130);
  // A reader that stops after one byte ends the writer without a word.
  const Ran ran = run("$KVASIR run $TOY -p abcdefghijkl -n 900 | head -c 1");
  CHECK(ran.out == "w");
  CHECK(ran.err == "");
}

TEST_CASE("tokenize") {
  CHECK(run("$KVASIR tokenize $TOY 'abc d' --ids").out == "0,1,2,59,3\n");
  CHECK(run("printf 'a\\nb' | $KVASIR tokenize $TOY").out == "0\t'a'\n58\t'\\n'\n1\t'b'\n");
  CHECK(run("$KVASIR tokenize $TOY --ids 'a<|end|>' --special").out == "0,63\n");
  CHECK(run("$KVASIR tokenize $TOY --ids ''").out == "\n");
}

TEST_CASE("logits are a .npy file, whole or not at all") {
  const std::string path = "/tmp/kvasir-logits-" + std::to_string(getpid()) + ".npy";
  REQUIRE(run("$KVASIR logits $TOY --ids $(seq -s, 0 50),$(seq -s, 0 49) -o " + path).exitCode == 0);
  const std::string file = run("cat " + path + "; rm " + path).out;
  REQUIRE(file.size() == 128 + 101 * 64 * 4);
  CHECK(file.find("'shape': (101, 64)") != std::string::npos);
  float first;
  std::memcpy(&first, &file[128], sizeof first);
  CHECK(first == 3.0f);
  CHECK(run("$KVASIR logits $TOY --ids 1,60 -o " + path).exitCode == 1);
  CHECK(run("ls " + path + "*").out == "");
}

TEST_CASE("inspect tells what the file says, and which weights are damaged") {
  const Ran text = run("$KVASIR inspect $TOY");
  CHECK(text.out.find("forward       (ids: i32[T]) -> (logits: f32[W, 64]), at most 50 tokens at once\n") !=
        std::string::npos);
  const auto json = nlohmann::json::parse(run("$KVASIR inspect $TOY --json").out);
  CHECK(json["description"]["slots"][1]["name"] == "v");
  CHECK(json["tensors"].size() == 2);
  CHECK(run("$KVASIR inspect $TOY --verify").exitCode == 0);

  const std::string copy = "/tmp/kvasir-damaged-" + std::to_string(getpid());
  const Ran damaged = run("cp $TOY " + copy + "; printf x | dd of=" + copy +
                          " bs=1 seek=700000 conv=notrunc status=none; $KVASIR inspect --verify " + copy);
  run("rm " + copy);
  CHECK(damaged.exitCode == 1);
  CHECK(damaged.err.find("blk.1.attn_q.weight") != std::string::npos);
}

TEST_CASE("audit says in one sentence what is wrong, as text, JSON and a page") {
  // One function of the toy declares a row too few.
  const std::string sentence =
      "function declares_less, the call of 5 tokens failed: function declares_less would write "
      "rows [3, 7) of slot k; this call's rows are [3, 8)";
  const std::string page = "/tmp/kvasir-audit-" + std::to_string(getpid()) + ".html";
  const Ran text = run("$KVASIR audit $TOY -p abcdefgh --html " + page);
  CHECK(text.exitCode == 1);
  CHECK(text.out.ends_with("\n" + sentence + "\n"));
  const std::string html = run("cat " + page + "; rm " + page).out;
  CHECK(html.starts_with("<!doctype html>"));
  CHECK(html.find(sentence) != std::string::npos);
  CHECK(html.find("http") == std::string::npos);

  const auto json =
      nlohmann::json::parse(run("$KVASIR audit $TOY --ids 1,2,3,4 --chunk 2 --checks rows,decode --json").out);
  CHECK(json["verdict"] == sentence);
  CHECK(json["findings"][0]["class"] == "failed");
  CHECK(json["checks"].size() == 2);
  CHECK(json["calls"][0]["tokens"] == 2);
  CHECK(json["slots"][0]["cells"].size() == 12);
  checkRefusal(
      "$KVASIR audit $TOY --checks rows,colour", 1,
      "kvasir: no check is called 'colour'; there are rows, decode, chunks, batch, perturb, cancel and against");
  CHECK(run("$KVASIR audit $TOY --ids 1,2,3,4 --all").out.starts_with(sentence + "\n"));
  checkRefusal("d=$(mktemp -d); cp $KVASIR $d && PATH=/bin $d/kvasir audit x.mlpackage; s=$?; rm -r $d; exit $s", 1,
               "kvasir: 'x.mlpackage' is read by kvasir-compile, which is neither beside kvasir nor on PATH");
  checkRefusal(
      "d=$(mktemp -d); cp $KVASIR $d; printf '#!/bin/sh\necho no library >&2; exit 127\n' >$d/kvasir-compile; "
      "chmod +x $d/kvasir-compile; cd $d; ./kvasir audit x.mlpackage 2>e; s=$?; sed s,$d,D, e >&2; rm -r $d; "
      "exit $s",
      1,
      "kvasir: 'x.mlpackage' is read by kvasir-compile, which was found at 'D/kvasir-compile' but could not be "
      "started: no library");
  checkRefusal("$KVASIR audit $TOY --ids 64", 1, "kvasir: token 64 is outside the vocabulary of 64");
}

TEST_CASE("run --audit says that each token reached its rows") {
  const Ran ran = run("$KVASIR run $TOY -p abcdefghijkl -n 12 --audit");
  CHECK(ran.exitCode == 0);
  CHECK(ran.out == "wOON,CERH.Y2\n");
  CHECK(ran.err == "audit: each of 23 tokens reached its row in all 2 layers of k and v\n");
}

TEST_CASE("bench measures speeds and limits") {
  const auto json = nlohmann::json::parse(run("$KVASIR bench $TOY -p 40 -n 20 -d 0,50 -b 1,3 -t 1,2 -r 1 --json").out);
  REQUIRE(json["results"].size() == 16);
  for (const auto &result : json["results"]) {
    CHECK(result["tokens_per_s"] > 0);
    CHECK(result["limit"] > 0);
    CHECK(result["barrier_ns"] > 0);
  }
  CHECK(json["results"][0]["test"] == "prefill");
  CHECK(json["results"][15]["batch"] == 3);
  CHECK(json["machine"]["limits"].size() == 2);
  CHECK(run("$KVASIR bench $TOY -p 40 -n 20 -r 1").out.find("tokens/s") != std::string::npos);
  CHECK(run("$KVASIR bench $TOY -p 40 -n 20 -r 1 --copy-weights").out.find("tokens/s") != std::string::npos);
  checkRefusal("$KVASIR bench $TOY -p 0 -n 0", 2, "kvasir: bench: nothing to measure: -p and -n are both 0");
}
