// SPDX-License-Identifier: MIT
// `kvasir run --switch`: what goes on, and what is refused before anything is printed.
#include "tests/unit/tools/ran.h"

#include <doctest/doctest.h>
#include <unistd.h>

using kvasir::test::checkRefusal;
using kvasir::test::Ran;
using kvasir::test::run;

namespace {

const std::string kRun = "$KVASIR run $TOY -p abcdefghijkl -n 12 ";

} // namespace

TEST_CASE("another plugin goes on where it is told to") {
  const Ran ran = run(kRun + "--switch 0:$TOY --switch 5:$TOY");
  CHECK(ran.exitCode == 0);
  CHECK(ran.out == "wOON,CERH.Y2\n");
  const std::string toy = KVASIR_TOY;
  CHECK(ran.err == "'" + toy + "' goes on after 0 generated tokens with the 11 tokens that are held, to the bit\n'" +
                       toy + "' goes on after 5 generated tokens with the 16 tokens that are held, to the bit\n");
}

TEST_CASE("each plugin's calls are audited, and the last one's form is saved") {
  const std::string path = "/tmp/kvasir-switch-" + std::to_string(getpid()) + ".kvstate";
  const Ran ran = run(kRun + "--audit --switch 11:$TOY --state " + path);
  CHECK(ran.exitCode == 0);
  CHECK(ran.out == "wOON,CERH.Y2\n");
  CHECK(ran.err.find("audit: each of 22 tokens reached its row in all 2 layers of k and v\n") == 0);
  CHECK(ran.err.ends_with("audit: each of 2 tokens reached its row in all 2 layers of k and v\n"));
  CHECK(run("$KVASIR inspect " + path + "; rm " + path).out.find("tokens        24 of at most") != std::string::npos);
}

TEST_CASE("what can't go on is refused before a word is printed") {
  checkRefusal(kRun + "--switch 5:" KVASIR_FOREIGN, 1,
               "kvasir: can't go on with '" KVASIR_FOREIGN
               "': the state belongs to the model 'toy' (fingerprint 0000000000000000…), the other is 'foreign' "
               "(0000000000000000…)");
  checkRefusal(kRun + "--switch 5:/nowhere", 1, "kvasir: cannot load '/nowhere': No such file or directory");
  checkRefusal(kRun + "--switch 12:$TOY", 2,
               "kvasir: run: --switch 12:" KVASIR_TOY " is never reached: at most 12 tokens are generated (-n)");
  checkRefusal(kRun + "--switch 5:$TOY --switch 5:$TOY", 2,
               "kvasir: run: --switch 5:" KVASIR_TOY " is not behind the one after 5 tokens");
  for (const char *given : {"5", "5:", ":x", "-1:x", "x:5"})
    checkRefusal(kRun + "--switch=" + given, 2,
                 std::string("kvasir: run: --switch takes a number of generated tokens and a file, as in "
                             "32:other.kvasir; found '") +
                     given + "'");
}
