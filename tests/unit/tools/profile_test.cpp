// SPDX-License-Identifier: MIT
// `kvasir profile` on the toy plugin, whose two steps are known.
#include "tests/unit/tools/ran.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using kvasir::test::checkRefusal;
using kvasir::test::Ran;
using kvasir::test::run;
using Json = nlohmann::json;

namespace {

/// What every profile promises: members of known types, times that add up.
void checkProfile(const Json &profile) {
  double seconds = 0, share = 0;
  for (const Json &step : profile["steps"]) {
    CHECK(step["name"].is_string());
    CHECK(step["kernels"].is_array());
    CHECK(step["ops"].is_array());
    CHECK(step["multiply_adds"].is_object());
    const double parts = step["work_s"].get<double>() + step["skew_s"].get<double>() + step["barrier_s"].get<double>();
    CHECK(step["seconds"].get<double>() == doctest::Approx(parts));
    CHECK(step["limit_s"].get<double>() ==
          doctest::Approx(step["limit_fraction"].get<double>() * step["seconds"].get<double>()));
    seconds += step["seconds"].get<double>();
    share += step["share"].get<double>();
  }
  CHECK(seconds == doctest::Approx(profile["seconds"].get<double>()));
  CHECK(share == doctest::Approx(1));
  CHECK(profile["unwatched_seconds"].get<double>() > 0);
}

} // namespace

TEST_CASE("a profile has the plugin's steps, what each reads and computes, and shares of the whole") {
  for (const char *threads : {"1", "2"}) {
    const Ran ran = run(std::string("$KVASIR profile $TOY -p 107 -n 9 -d 20 -r 3 --json -t ") + threads);
    REQUIRE(ran.exitCode == 0);
    const Json json = Json::parse(ran.out);
    CHECK(json["model"] == "toy");
    CHECK(json["backend"] == "by hand");
    CHECK(json["variant"] == "any");
    CHECK(json["limits"]["read_gb_per_s"].get<double>() > 0);
    REQUIRE(json["profiles"].size() == 2);
    const Json &decode = json["profiles"][0], &prefill = json["profiles"][1];
    for (const Json &profile : json["profiles"]) {
      checkProfile(profile);
      CHECK(profile["depth"] == 20);
      CHECK(profile["batch"] == 1);
      REQUIRE(profile["steps"].size() == 3);
      CHECK(profile["steps"][0]["name"] == "blk.*.append_k+v");
      CHECK(profile["steps"][0]["limit"] == "");
      CHECK(profile["steps"][1]["name"] == "attention+output");
      CHECK(profile["steps"][1]["kernels"] == Json{"toy.logits"});
      CHECK(profile["steps"][1]["ops"] == Json{"attention", "output"});
      CHECK(profile["steps"][1]["limit_s"].get<double>() > 0);
      CHECK(profile["steps"][2]["name"] == "host");
    }
    CHECK(decode["test"] == "decode");
    CHECK(decode["tokens"] == 1);
    CHECK(decode["steps"][0]["passes"] == 1);
    CHECK(prefill["test"] == "prefill");
    CHECK(prefill["tokens"] == 107);
    CHECK(prefill["steps"][0]["passes"] == 3); // executes of at most 50 tokens
    // The last of 127 tokens is wanted: the matrix is read once, and the rows of one layer of k (16 bytes) and v (2).
    CHECK(prefill["steps"][1]["bytes"] == 2097152 + 127 * 18);
    CHECK(prefill["steps"][1]["multiply_adds"] == Json{{"f32", 2 * 127 * (2 + 1)}});
  }
}

TEST_CASE("of several sequences each has its rows, and all share the matrices") {
  const Ran ran = run("$KVASIR profile $TOY -p 7 -n 5 -d 20 -b 3 -r 2 --json");
  REQUIRE(ran.exitCode == 0);
  const Json json = Json::parse(ran.out);
  for (const Json &profile : json["profiles"]) {
    checkProfile(profile);
    CHECK(profile["batch"] == 3);
  }
  const Json &prefill = json["profiles"][1]["steps"][1];
  CHECK(prefill["bytes"] == 2097152 + 3 * 27 * 18);
  CHECK(prefill["multiply_adds"] == Json{{"f32", 3 * 2 * 27 * (2 + 1)}});
}

TEST_CASE("the table has a line for each step") {
  const Ran ran = run("$KVASIR profile $TOY -p 20 -n 4 -d 0");
  REQUIRE(ran.exitCode == 0);
  CHECK(ran.out.starts_with("toy on by hand (any), "));
  CHECK(ran.out.find("\ndecode of a token: ") != std::string::npos);
  CHECK(ran.out.find("\nprefill of 20 tokens: ") != std::string::npos);
  CHECK(ran.out.find("\n  attention+output ") != std::string::npos);
  CHECK(ran.out.find("\n  host ") != std::string::npos);
  const Ran prefill = run("$KVASIR profile $TOY -p 20 -n 0 -d 7");
  CHECK(prefill.out.find("decode") == std::string::npos);
  CHECK(prefill.out.find("\nprefill of 20 tokens behind 7: ") != std::string::npos);
  const Ran several = run("$KVASIR profile $TOY -p 0 -n 4 -b 2 --copy-weights");
  CHECK(several.out.find("\ndecode of a token, 2 sequences: ") != std::string::npos);
}

TEST_CASE("what can't be profiled is one clear line") {
  checkRefusal("$KVASIR profile /nowhere.kvasir", 1,
               "kvasir: cannot load '/nowhere.kvasir': No such file or directory");
  checkRefusal("$KVASIR profile " KVASIR_FOREIGN, 1,
               "kvasir: '" KVASIR_FOREIGN
               "' has no table of steps: it was made by hand or by an older compiler; compile "
               "the model again with kvasir-compile");
  checkRefusal("$KVASIR profile $TOY -d 2000", 1,
               "kvasir: the state holds 0 of at most 1000 tokens; 2000 more don't fit");
  CHECK(run("$KVASIR profile $TOY -p x").exitCode == 2);
  checkRefusal("$KVASIR profile $TOY -p 0 -n 0", 2, "kvasir: profile: nothing to profile: -p and -n are both 0");
  CHECK(run("$KVASIR profile $TOY -t 2000").exitCode == 2);
  CHECK(run("$KVASIR profile $TOY -r 0").exitCode == 2);
  CHECK(run("$KVASIR profile $TOY -b 0").exitCode == 2);
  CHECK(run("$KVASIR profile").exitCode == 2);
}
