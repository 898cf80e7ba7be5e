// SPDX-License-Identifier: MIT
// What `kvasir run --call` does.
#include "tests/unit/tools/ran.h"
#include "tests/unit/toy/toy_plugin.h"

#include "runtime/tools/npy_tensor.h"

#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <unistd.h>

using kvasir::test::Ran;
using kvasir::test::run;

namespace {

/// An empty folder, gone afterwards.
struct Folder {
  Folder() : path("/tmp/kvasir-calls-" + std::to_string(getpid()) + "/") { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  const std::string path;
};

} // namespace

TEST_CASE("calls of one command line go on from one state, which a file keeps") {
  const Folder folder;
  const std::string kept = " --state " + folder.path + "s.kvstate";
  const Ran ran = run("$KVASIR run $TOY --call forward --input ids=1,2,3 --output logits=" + folder.path +
                      "l.npy --call read --call forward --input=ids=4 --call read" + kept);
  CHECK(ran.err == "");
  CHECK(ran.out.starts_with("read: sum f32[1]: 3\nforward: logits f32[1, 64]: "));
  CHECK(ran.out.ends_with(", … (64)\nread: sum f32[1]: 4\n"));
  const kvasir::tools::NpyTensor logits = kvasir::tools::readNpy(folder.path + "l.npy");
  CHECK(logits.dims == std::vector<uint64_t>{3, TOY_VOCABULARY});
  CHECK(run("$KVASIR run $TOY --call read" + kept).out == "read: sum f32[1]: 4\n");
  CHECK(run("$KVASIR inspect " + folder.path + "s.kvstate").out.find("  tokens        4 of") != std::string::npos);
}

TEST_CASE("inputs come from files, too") {
  const Folder folder;
  const std::vector<int64_t> ids = {5, 6};
  kvasir::tools::writeNpy(folder.path + "ids.npy", kvasir::ElementType::i64, {2}, ids.data());
  CHECK(run("$KVASIR run $TOY --call forward --input ids=" + folder.path +
            "ids.npy --output logits=/dev/null "
            "--call read")
            .out == "read: sum f32[1]: 2\n");
}

TEST_CASE("what is not there is named, with what there is, before anything is called") {
  const Folder folder;
  const std::string kept = " --state " + folder.path + "s.kvstate", first = "$KVASIR run $TOY" + kept;
  const std::string good = first + " --call forward --input ids=1 --call ";
  CHECK(run(good + "backward").err ==
        "kvasir: no function is called 'backward'; there are: forward, declares_less, read\n");
  CHECK(run(good + "forward --input tokens=1").err ==
        "kvasir: function forward has no input 'tokens'; it has: ids i32[T]\n");
  CHECK(run(good + "forward").err == "kvasir: function forward needs --input ids=FILE; its inputs are: ids i32[T]\n");
  CHECK(run(good + "read --output hidden=h.npy").err ==
        "kvasir: function read has no output 'hidden'; it has: sum f32[1]\n");
  CHECK(run(good + "forward --input ids=1.5").err == "kvasir: input ids holds f8; the function takes i32\n");
  CHECK(run(good + "forward --input ids=/nowhere.npy").err == "kvasir: '/nowhere.npy': No such file or directory\n");
  CHECK(run(first + " --input ids=1 --call forward").exitCode == 2);
  CHECK(run(first + " --call forward --input ids").exitCode == 2);
  CHECK(run(first + " --call forward --input ids=1 -p a").exitCode == 2);
  CHECK(!std::filesystem::exists(folder.path + "s.kvstate"));
}

TEST_CASE("a call that fails leaves the state's file as it was") {
  const Folder folder;
  const std::string line = "$KVASIR run $TOY --state " + folder.path + "s.kvstate";
  run(line + " --call forward --input ids=1,2");
  const Ran ran = run(line + " --call forward --input ids=3 --call forward --input ids=60");
  CHECK(ran.exitCode == 1);
  CHECK(run(line + " --call read").out == "read: sum f32[1]: 2\n");
}
